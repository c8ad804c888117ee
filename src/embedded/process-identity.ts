import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * A process is its pid *and* when it began: pids are used again. Absent when no such process runs (a zombie, dead
 * but not yet waited for, counts as none).
 */
export function beginningOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return processColumn(pid, 'lstart=')
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

/** The command line, arguments separated by spaces. */
export function commandLineOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return processColumn(pid, 'command=')
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return undefined
  }
}

function processColumn(pid: number, column: string): string | undefined {
  try {
    return execFileSync('ps', ['-o', column, '-p', `${pid}`], { encoding: 'utf8', stdio: 'pipe' }).trim() || undefined
  } catch {
    return undefined
  }
}
