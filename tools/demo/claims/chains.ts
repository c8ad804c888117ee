import type { Claim } from './claim'

export const chains: Claim = {
  text: 'The hash chains of ledgers, decisions and tenants verify',
  async check({ manager, ground, tenantEntries }) {
    const said = await manager.sluice(['audit', 'verify'])
    const faults = said.code === 0 ? [] : (said.err || said.out).trim().split('\n')
    const tenants = [...new Set(tenantEntries.map(({ tenant }) => tenant))]
    for (const tenant of tenants) {
      try {
        await ground.store.tenants.verify(tenant)
      } catch (error) {
        faults.push((error as Error).message)
      }
    }
    const figures = `${said.out
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^All chains hold: |\.$/g, '')}, ${tenants.length} tenants`
    return { figures, faults }
  },
}
