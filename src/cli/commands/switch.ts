import type { Command } from 'commander'
import { withEnvironment, withReason } from '../arguments'
import { type Cli, withExample } from '../cli'
import { lanePath } from '../lanes'

interface Options {
  readonly env: string
  readonly reason: string
}

const verbs = {
  disable: {
    does: 'turn a task off at once; conversations keep their binding for when it is enabled again',
    example: 'the provider leaks answers',
  },
  enable: { does: 'turn a disabled task on again; every conversation gets its binding back', example: 'it is mended' },
} as const

/** `sluice disable|enable <task>`: the switch of a lane. */
export function switchCommand(program: Command, cli: Cli): void {
  for (const [verb, { does, example }] of Object.entries(verbs)) {
    const command = program
      .command(verb)
      .description(does)
      .argument('<task>', 'its name')
      .action((task: string, options: Options) => flip(cli, verb, task, options))
    withReason(withEnvironment(command))
    withExample(command, `${verb} csat-scoring --env production --reason "${example}"`)
  }
}

async function flip({ api, print }: Cli, verb: string, task: string, { env, reason }: Options): Promise<void> {
  const answer = await api.post<{ seq: number; changed: boolean }>(`${lanePath(env, task)}/${verb}`, { reason })
  print.data(answer)
  const state = answer.changed ? `is ${verb}d` : `was ${verb}d already`
  print.line(`${env}/${task} ${state} (entry ${answer.seq})`)
}
