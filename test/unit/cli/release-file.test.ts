import type { Cli } from '../../../src/cli/cli'
import { createApiClient } from '../../../src/cli/client'
import { policyRef } from '../../../src/cli/release-file'
import { positionOf } from '../../../src/store/version-documents'
import { type TestApi, testApi } from '../../support/api'

describe('a policy named without its version', () => {
  let api: TestApi
  beforeAll(async () => {
    api = await testApi()
    await api.cli('push', 'test/support/workspace')
  })
  afterAll(() => api.stop())

  const resolved = (policy: string) => {
    const client = createApiClient(() => ({ url: api.url, apiKey: api.key }))
    return policyRef({ api: client } as Cli, policy)
  }

  it('is its highest version', async () => {
    expect(await resolved('policy/short')).toBe('short@1.0.0')
    await expect(resolved('nobody')).rejects.toMatchObject({ code: 'unknown_ref' })
  })

  it('is its highest version also where there are more of them than a page holds', async () => {
    const versions = api.store.database.collection<{ _id: string }>('versions')
    const first = await versions.findOne({ _id: 'policy/short@1.0.0' })
    const more = [...Array(250).keys()].map((patch) => `1.1.${patch}`)
    await versions.insertMany(
      more.map((semver) => {
        const position = positionOf('policy', 'short', semver)
        return { ...first, _id: `policy/short@${semver}`, semver, position }
      }),
    )
    expect(await resolved('short')).toBe('short@1.1.249')
  })
})
