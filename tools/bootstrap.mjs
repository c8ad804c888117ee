import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'
import { install } from './install.mjs'
import { waitForLock } from './lock.mjs'
import { runToEnd } from './process.mjs'
import { runTests } from './tests.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** A command is a compiled program with its first arguments, or a function of its arguments. */
const commands = {
  demo: program('dist/tools/demo/main.js'),
  start: program('dist/src/cli/main.js', 'up'),
  provision: program('dist/tools/provision.js'),
  test: (args) => runTests(root, args),
  build: async () => 0,
}

/** Gives the exit code. */
export async function main([name, ...args]) {
  const command = Object.hasOwn(commands, name ?? '') ? commands[name] : undefined
  if (command === undefined) {
    console.error(`Usage: node tools/run.mjs <${Object.keys(commands).join(' | ')}> [arguments]`)
    return 2
  }
  process.chdir(root)
  try {
    await prepare()
  } catch (error) {
    console.error(`\n${error.message}`)
    return 1
  }
  return command(args)
}

/** One process at a time installs and builds in a checkout; another one waits for it. */
async function prepare() {
  const release = await waitForLock(join(root, '.sluice', 'prepare.lock'))
  try {
    await install(root)
    await build(root)
  } finally {
    release()
  }
}

function program(script, ...first) {
  return async (args) => {
    if (!existsSync(join(root, script))) {
      console.error(`${script} does not exist: its source is not part of this checkout.`)
      return 1
    }
    return runToEnd(process.execPath, [script, ...first, ...args], { cwd: root })
  }
}
