/** What is used of Bun's test module, which only Bun has. */
declare module 'bun:test' {
  export function describe(name: string, body: () => void): void
  export function test(name: string, body: () => Promise<void>, timeoutMs: number): void
}
