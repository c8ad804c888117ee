import { readConfig } from '../config'
import { type Ground, startEmbedded } from '../embedded/embedded'
import { type Product, startProduct } from '../embedded/product'
import { onTerminal } from '../embedded/progress'
import { untilToldToStop } from '../embedded/signals'
import type { Cli } from './cli'

/** Runs until a signal tells it to stop. */
export async function up(cli: Cli, name: string): Promise<void> {
  const config = readConfig()
  const told = untilToldToStop()
  const ground = await startEmbedded({ name, config, progress: onTerminal })
  try {
    const product = await startProduct(ground, { config, publish: true, progress: onTerminal })
    try {
      tellLinks(cli, ground, product)
      const signal = await Promise.race([told, product.failure])
      onTerminal(`Stopping (${signal})`)
    } finally {
      await product.stop()
    }
  } finally {
    await ground.stop()
  }
}

function tellLinks(cli: Cli, ground: Ground, product: Product): void {
  const { temporalUiUrl, temporalAddress, mongodbUri, folder } = ground
  const { apiUrl, adminKeyFile } = product
  cli.print.data({ apiUrl, adminKeyFile, temporalAddress, temporalUiUrl, logs: `${folder}/logs` })
  cli.print.line(`API          ${apiUrl}`)
  cli.print.line(`Admin key    ${adminKeyFile}`)
  cli.print.line(`Temporal     ${temporalAddress}`)
  if (temporalUiUrl !== undefined) cli.print.line(`Temporal UI  ${temporalUiUrl}`)
  cli.print.line(`MongoDB      ${withoutPassword(mongodbUri)}`)
  cli.print.line(`Logs         ${folder}/logs`)
  cli.print.line('Ctrl-C stops everything.')
}

function withoutPassword(uri: string): string {
  return uri.replace(/\/\/[^@/]*@/, '//')
}
