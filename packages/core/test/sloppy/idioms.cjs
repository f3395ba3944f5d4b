// CommonJS without 'use strict': here an assignment that cannot be done is silent by itself.
/* biome-ignore-all lint/suspicious/noRedundantUseStrict: sloppy on purpose */
module.exports = {
  assign: (object, key, value) => {
    object[key] = value
  },
  connectFlash: object => {
    const messages = (object.flash = object.flash || {})
    ;(messages.info = messages.info || []).push('secret of the first visitor')
    return messages
  },
  remove: (object, key) => delete object[key],
  isStrict: (function () {
    return this === undefined
  })(),
}
