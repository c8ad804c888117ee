const { AsyncLocalStorage } = require('node:async_hooks')

/**
 * A storage that was used once is passed on with every promise for as long as the process lives. Each test file has some of
 * its own (jest's, Temporal's), so those of the files before are ended, or the seventieth file would pay for all of them.
 */
const used = Symbol.for('sluice.test.storages')
const { prototype } = AsyncLocalStorage

if (prototype[used] === undefined) {
  const { run } = prototype
  prototype[used] = new Set()
  prototype.run = function (...rest) {
    prototype[used].add(this)
    return Reflect.apply(run, this, rest)
  }
} else {
  for (const storage of prototype[used]) storage.disable()
  prototype[used].clear()
}
