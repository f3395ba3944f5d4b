/** The certificate of the conformance suite, and its key, which protects nothing. */
export { CERTIFICATE as certificate } from '../packages/conformance/src/adapter-cases/certificate.ts'
