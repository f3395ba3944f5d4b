// A store of a second process, for the conformance cases: `argument` is the folder.
import { fileStore } from '../../src/index.ts'

export default (folder: string) => fileStore(folder)
