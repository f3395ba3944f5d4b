import { expect, onTestFinished, test, vi } from 'vitest'
import { OutageGuard } from '../src/outage.ts'

/** A guard whose clock stands still between calls of `at`. */
function place() {
  let now = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now)
  onTestFinished(() => clock.mockRestore())
  const guard = new OutageGuard()
  return {
    guard,
    at(ms: number) {
      now = ms
    },
    /** Sends a call that gets no reply. `giveUp` ends the wait for it. */
    send() {
      const limit = new AbortController()
      const sent = guard.send(limit.signal, () => new Promise<never>(() => undefined))
      return {
        async giveUp() {
          limit.abort(new Error('The time is up.'))
          await expect(sent).rejects.toThrow('The time is up.')
        },
      }
    },
    /** Whether a call is sent now. It is answered at once. */
    async isSent() {
      try {
        return await guard.send(undefined, async () => true)
      } catch (error) {
        expect(error).toMatchObject({ code: 'SESSION_STORE', message: expect.stringContaining('not sent') })
        return false
      }
    },
  }
}

test('a server that owes replies to calls of 25 ms each counts as frozen after 200 ms', async () => {
  const { at, send, isSent } = place()
  for (let sentAt = 0; sentAt < 175; sentAt += 25) {
    at(sentAt)
    const call = send()
    at(sentAt + 25)
    await call.giveUp()
  }
  const last = send()
  at(200)
  await last.giveUp()
  expect(await isSent()).toBe(false)
})

test('the oldest call decides, also if it is given up after a younger one', async () => {
  const { at, send, isSent } = place()
  const old = send()
  at(400)
  const young = send()
  at(425)
  await young.giveUp()
  await old.giveUp()
  expect(await isSent()).toBe(false)
})

test('a reply ends that, and a call that was sent before the reply counts from the reply on', async () => {
  const { at, send, isSent } = place()
  const old = send()
  at(400)
  const young = send()
  expect(await isSent()).toBe(true)
  at(500)
  await old.giveUp()
  await young.giveUp()
  expect(await isSent()).toBe(true)
  at(600)
  const next = send()
  at(820)
  await next.giveUp()
  expect(await isSent()).toBe(false)
  // One call in 500 ms is sent, and its reply ends the outage.
  at(1_320)
  expect(await isSent()).toBe(true)
  expect(await isSent()).toBe(true)
})
