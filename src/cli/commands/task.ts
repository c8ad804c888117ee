import type { Command } from 'commander'
import type { TaskDefinition } from '../../domain/task'
import { type Cli, withExample } from '../cli'
import { countArgument } from './artifact'

interface ListOptions {
  readonly after?: string
  readonly limit: number
}

export function taskCommand(program: Command, cli: Cli): void {
  const task = program.command('task').description('what tenants see and applications ask for')
  const list = task
    .command('ls')
    .description('list all tasks')
    .option('--after <task>', 'continue after this task')
    .option('--limit <count>', 'how many', countArgument, 50)
    .action((options: ListOptions) => listTasks(cli, options))
  withExample(list, 'task ls')
  const show = task
    .command('show')
    .description('show the roles, suite and policy of a task')
    .argument('<task>', 'its name')
    .action((name: string) => showTask(cli, name))
  withExample(show, 'task show csat-scoring')
}

async function listTasks({ api, print }: Cli, options: ListOptions): Promise<void> {
  const query = { after: options.after, limit: options.limit }
  const page = await api.get<{ items: readonly TaskDefinition[]; next?: string }>('/v1/tasks', query)
  print.data(page)
  print.table(
    ['task', 'suite', 'policy', 'supersedes'],
    page.items.map((task) => [task.name, task.suite, task.policy, task.supersedes ?? '']),
  )
  if (page.next !== undefined) print.line(`More: --after ${page.next}`)
}

async function showTask({ api, print }: Cli, name: string): Promise<void> {
  const task = await api.get<TaskDefinition>(`/v1/tasks/${encodeURIComponent(name)}`)
  print.data(task)
  print.line(task.supersedes === undefined ? task.name : `${task.name} (supersedes ${task.supersedes})`)
  print.line(`suite   ${task.suite}   ${task.suiteDigest}`)
  print.line(`policy  ${task.policy}   ${task.policyDigest}`)
  print.table(['role', 'first version'], Object.entries(task.roles))
}
