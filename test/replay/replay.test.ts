import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { historyFromJSON } from '@temporalio/common/lib/proto-utils'
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker'
import { DeterminismViolationError } from '@temporalio/workflow'
import { garbagePaths } from '../../tools/scripted/scripted-garbage'
import { scriptedPaths } from '../../tools/scripted/scripted-paths'
import { rescorePaths } from '../../tools/scripted/scripted-rescore'
import { workflowSource } from '../../tools/scripted/scripted-worker'

Runtime.install({ logger: new DefaultLogger('ERROR') })

const folder = join(__dirname, 'histories')
const files = readdirSync(folder).filter((file) => file.endsWith('.json'))
const read = (file: string) =>
  JSON.parse(readFileSync(join(folder, file), 'utf8')) as { events: { eventType: string }[] }

describe('recorded histories replay on the workflow code of today', () => {
  test.each(files)('%s', async (file) => {
    await Worker.runReplayHistory(workflowSource(), historyFromJSON(read(file)))
  })

  test('every path of the workflows has one', () => {
    for (const path of scriptedPaths) expect(files.some((file) => file.startsWith(`release-${path.name}-`))).toBe(true)
    for (const path of rescorePaths) expect(files.some((file) => file.startsWith(`rescore-${path.name}-`))).toBe(true)
    for (const { name } of garbagePaths)
      expect(files.some((file) => file.startsWith(`collectGarbage-${name}-`))).toBe(true)
  })

  test('a history whose first activity is another one does not', async () => {
    const text = readFileSync(join(folder, files.find((file) => file.startsWith('release-done-0')) as string), 'utf8')
    const broken = JSON.parse(text.replaceAll('"planRelease"', '"makePlan"'))
    await expect(Worker.runReplayHistory(workflowSource(), historyFromJSON(broken))).rejects.toThrow(
      DeterminismViolationError,
    )
  })
})
