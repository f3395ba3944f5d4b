// The conformance cases open this store in a second process.
import { fileStore } from '../../src/index.ts'

export default (folder: string) => fileStore(folder)
