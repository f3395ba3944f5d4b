import { expect, it } from 'vitest'
import * as adapter from '../src/adapter.ts'
import * as crypto from '../src/crypto.ts'
import * as django from '../src/django.ts'
import * as core from '../src/index.ts'
import * as rich from '../src/rich.ts'
import * as sealed from '../src/sealed.ts'
import * as store from '../src/store-kit.ts'
import * as testing from '../src/testing.ts'

it('the exported names change only on purpose', () => {
  const names = (module: object): string[] => Object.keys(module).sort()
  expect({
    core: names(core),
    adapter: names(adapter),
    crypto: names(crypto),
    django: names(django),
    rich: names(rich),
    sealed: names(sealed),
    store: names(store),
    testing: names(testing),
  }).toMatchInlineSnapshot(`
    {
      "adapter": [
        "SessionSlot",
        "after",
        "applyTo",
        "fieldValue",
        "loadedRecord",
        "merge",
        "pending",
        "privateCache",
        "saveSession",
        "settle",
        "varyBy",
        "varyByCookie",
      ],
      "core": [
        "ConfigError",
        "SessionCommittedError",
        "SessionConflictError",
        "SessionDataError",
        "SessionError",
        "SessionExistsError",
        "SessionInterruptedError",
        "SessionLimitError",
        "SessionNotLoadedError",
        "SessionStoreError",
        "createSessions",
        "json",
        "safeCause",
      ],
      "crypto": [
        "seal",
        "sign",
        "unseal",
        "verify",
        "weakness",
      ],
      "django": [
        "BadSignatureError",
        "COOKIE_SALT",
        "STORE_SALT",
        "SignatureExpiredError",
        "djangoCodec",
        "dumpJson",
        "dumps",
        "expiryMoment",
        "loadJson",
        "loads",
        "unescapeJson",
      ],
      "rich": [
        "rich",
      ],
      "sealed": [
        "sealed",
      ],
      "store": [
        "abortable",
        "after",
        "explain",
        "flag",
        "isPromise",
        "isSessionId",
        "nowOf",
        "oneOf",
        "pause",
        "readOptions",
        "removeEach",
        "settle",
        "storeFrom",
        "textLike",
        "ttlSeconds",
        "whenTimeIsUp",
      ],
      "testing": [
        "loggedIn",
        "testClock",
        "testStore",
      ],
    }
  `)
})
