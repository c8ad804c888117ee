import { spawn } from 'node:child_process'

const signalCodes = { SIGHUP: 129, SIGINT: 130, SIGKILL: 137, SIGTERM: 143 }

/**
 * Runs a program on this terminal and gives its exit code. A Ctrl-C reaches the program by itself, so this process only
 * waits for it; a signal sent to this process alone is passed on.
 */
export function runToEnd(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'inherit', ...options })
    const passed = ['SIGTERM', 'SIGHUP', ...(process.stdin.isTTY ? [] : ['SIGINT'])]
    const listeners = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => {
      const listener = () => {
        if (passed.includes(signal)) child.kill(signal)
      }
      process.on(signal, listener)
      return [signal, listener]
    })
    const end = (code) => {
      for (const [signal, listener] of listeners) process.off(signal, listener)
      resolve(code)
    }
    child.once('error', (error) => {
      if (error.name === 'AbortError') return
      console.error(`${command} cannot be run: ${error.message}`)
      end(127)
    })
    child.once('exit', (code, signal) => end(code ?? signalCodes[signal] ?? 1))
  })
}
