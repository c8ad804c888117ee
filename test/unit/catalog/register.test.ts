import { digestOf } from '../../../src/store/canonical'
import { openStore, type Store } from '../../../src/store/store'
import { engineContent, registration } from '../../support/contents'
import { groundAddress, testStore } from '../../support/ground'

describe('registering versions', () => {
  let store: Store
  let other: Store
  let drop: () => Promise<void>
  beforeAll(async () => {
    const ground = await testStore()
    store = ground.store
    drop = ground.drop
    other = await openStore(groundAddress('MONGODB_URI'), store.database.db.databaseName)
  })
  afterAll(async () => {
    await other.database.close()
    await drop()
  })

  const register = (ref: string, content: unknown, rest = {}) =>
    store.catalog.register(registration(ref, content, rest))
  const refusal = (code: string, details: object = {}) =>
    expect.objectContaining({ code, details: expect.objectContaining(details) })

  it('gives a version the digest of its kind and content', async () => {
    const { version, created } = await register('prompt/identity@1.0.0', { text: 'Hi {{name}}' })
    expect(created).toBe(true)
    expect(version.digest).toBe(digestOf({ content: { text: 'Hi {{name}}' }, kind: 'prompt' }))
    expect(version).toMatchObject({ author: 'ann', description: 'for a test', parents: [] })
    expect(await store.catalog.version('prompt/identity@1.0.0')).toEqual(version)
    expect(await store.catalog.version(`prompt/identity@${version.digest}`)).toEqual(version)
    expect(await store.catalog.byDigest('prompt', version.digest)).toEqual(version)
  })

  it('fills defaults before the digest is taken, so that a short file and a long one are the same', async () => {
    const { endpoint, model, pricePerMillion } = engineContent
    const short = await register('engine/short@1.0.0', { endpoint, model, pricePerMillion })
    const long = await register('engine/long@1.0.0', short.version.content)
    expect(long.version.digest).toBe(short.version.digest)
  })

  it('is a no-op for the same content, whoever describes it how', async () => {
    await register('prompt/again@1.0.0', { text: 'a' })
    const again = await register('prompt/again@1.0.0', { text: 'a' }, { description: 'other words', author: 'bob' })
    expect(again).toMatchObject({ created: false, version: { author: 'ann', description: 'for a test' } })
  })

  it('refuses other content under a registered semver', async () => {
    await register('prompt/fixed@1.0.0', { text: 'a' })
    await expect(register('prompt/fixed@1.0.0', { text: 'b' })).rejects.toEqual(refusal('version_exists'))
    expect((await store.catalog.version('prompt/fixed@1.0.0')).content).toEqual({ text: 'a' })
  })

  it('refuses a semver that understates, with class, suggestion and diff', async () => {
    await register('prompt/understated@1.0.0', { text: 'Hi {{name}}' })
    await expect(register('prompt/understated@1.1.0', { text: 'Hi {{customer}}' })).rejects.toEqual(
      refusal('semver_understated', {
        class: 'breaking',
        base: '1.0.0',
        suggested: '2.0.0',
        changes: expect.any(Array),
      }),
    )
    const { changeClass, base } = await register('prompt/understated@2.0.0', { text: 'Hi {{customer}}' })
    expect({ changeClass, base }).toEqual({ changeClass: 'breaking', base: '1.0.0' })
  })

  it('holds a version against the highest lower release, not against what came later', async () => {
    await register('prompt/line@1.0.0', { text: '{{a}}' })
    await register('prompt/line@2.0.0', { text: '{{b}}' })
    await expect(register('prompt/line@1.0.1', { text: '{{b}}' })).rejects.toEqual(
      refusal('semver_understated', { base: '1.0.0', suggested: '3.0.0' }),
    )
    expect(await register('prompt/line@1.0.1', { text: 'x {{a}}' })).toMatchObject({
      changeClass: 'safe',
      base: '1.0.0',
    })
    expect(await register('prompt/line@2.0.1', { text: 'x {{b}}' })).toMatchObject({
      changeClass: 'safe',
      base: '2.0.0',
    })
  })

  it('never holds a release against a pre-release', async () => {
    await register('prompt/pre@1.0.0', { text: '{{a}}' })
    await register('prompt/pre@2.0.0-rc.1', { text: '{{b}}' })
    expect(await register('prompt/pre@2.0.0', { text: '{{c}}' })).toMatchObject({ base: '1.0.0' })
  })

  it('refuses another computer name or type of a field under any semver', async () => {
    const field = { computerName: 'mood', type: 'string', label: 'Mood' }
    await register('field/mood@1.0.0', field)
    for (const change of [{ computerName: 'humour' }, { type: 'number' }]) {
      await expect(register('field/mood@2.0.0', { ...field, ...change })).rejects.toEqual(refusal('immutable_field'))
    }
    expect(await register('field/mood@1.0.1', { ...field, label: 'Humour' })).toMatchObject({ changeClass: 'safe' })
  })

  describe('a computer name', () => {
    const field = (computerName: string, type: string) => ({ computerName, type, label: 'any' })
    const standing = (name: string) =>
      store.database.collection('versions').countDocuments({ kind: 'field', name: { $in: [`${name}-a`, `${name}-b`] } })

    it('has one type for ever, whatever the fields are called', async () => {
      await register('field/tone-a@1.0.0', field('tone', 'string'))
      await expect(register('field/tone-b@1.0.0', field('tone', 'number'))).rejects.toEqual(
        refusal('immutable_field', { claim: 'field/tone', standing: 'field/tone-a@1.0.0' }),
      )
      expect(await standing('tone')).toBe(1)
      expect(await register('field/tone-b@1.0.0', field('tone', 'string'))).toMatchObject({ created: true })
      expect(await register('field/tone-a@1.0.0', field('tone', 'string'))).toMatchObject({ created: false })
    })

    it('goes to one of many that claim it at once, and nothing is left of the others', async () => {
      const types = ['string', 'number', 'integer', 'boolean', 'date']
      const all = Array.from({ length: 20 }, (_, number) =>
        (number % 2 === 0 ? store : other).catalog.register(
          registration(`field/race-${number}@1.0.0`, field('race', types[number % types.length] ?? 'string')),
        ),
      )
      const settled = await Promise.allSettled(all)
      const taken = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value.version.content] : []))
      const refused = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []))
      expect(new Set(taken.map((content) => (content as { type: string }).type)).size).toBe(1)
      expect([taken.length, refused]).toEqual([4, Array(16).fill('immutable_field')])
      expect(await store.database.collection('versions').countDocuments({ name: /^race-/ })).toBe(4)
    })

    it('is claimed within a checked workspace too, and the check itself claims nothing', async () => {
      const drafts = [
        registration('field/pace-a@1.0.0', field('pace', 'string')),
        registration('field/pace-b@1.0.0', field('pace', 'date')),
      ]
      const items = await store.catalog.check(drafts, [])
      expect(items.map(({ outcome, code }) => [outcome, code])).toEqual([
        ['new', undefined],
        ['refused', 'immutable_field'],
      ])
      expect(await register('field/pace-b@1.0.0', field('pace', 'date'))).toMatchObject({ created: true })
    })
  })

  it('resolves references within lists', async () => {
    const { version: dataset } = await register('dataset/shots@1.0.0', { rows: [{ id: 'a' }] })
    const { version } = await register('prompt/shots@1.0.0', { text: 'Hi', fewShot: ['shots@1.0.0', dataset.digest] })
    expect(version.content).toEqual({ text: 'Hi', fewShot: [dataset.digest, dataset.digest] })
  })

  it('resolves references to digests and keeps the identity free of labels', async () => {
    const field = await register('field/csat@1.0.0', { computerName: 'csat', type: 'integer', label: 'CSAT' })
    const byLabel = await register('mapping/labelled@1.0.0', { fields: { csat: 'csat@1.0.0' } })
    const byDigest = await register('mapping/digested@1.0.0', { fields: { csat: field.version.digest } })
    expect(byLabel.version.content).toEqual({ fields: { csat: field.version.digest } })
    expect(byDigest.version.digest).toBe(byLabel.version.digest)
  })

  it('sees through a reference: a field with a new label is the same field to a mapping', async () => {
    await register('field/reason@1.0.0', { computerName: 'reason', type: 'string', label: 'Reason' })
    await register('field/reason@1.1.0', { computerName: 'reason', type: 'string', label: 'Why' })
    const first = await register('mapping/reason@1.0.0', { fields: { reason: 'reason@1.0.0' } })
    const second = await register('mapping/reason@1.0.1', { fields: { reason: 'reason@1.1.0' } })
    expect(second.changeClass).toBe('safe')
    expect(second.version.interface).toBe(first.version.interface)
  })

  it.each<[string, string, unknown, object, string]>([
    ['an unknown reference', 'mapping/m@1.0.0', { fields: { a: 'nobody@1.0.0' } }, {}, 'unknown_ref'],
    ['a reference by a range', 'mapping/m@1.0.0', { fields: { a: 'csat@latest' } }, {}, 'malformed_ref'],
    ['an unknown parent', 'prompt/p@1.0.0', { text: 'a' }, { parents: [`sha256:${'0'.repeat(64)}`] }, 'unknown_ref'],
    ['no reason', 'prompt/p@1.0.0', { text: 'a' }, { description: ' ' }, 'reason_missing'],
    ['no semver', 'prompt/p@1.0', { text: 'a' }, {}, 'invalid_request'],
    ['build metadata', 'prompt/p@1.0.0+1', { text: 'a' }, {}, 'invalid_request'],
    ['a bad name', 'prompt/Ä@1.0.0', { text: 'a' }, {}, 'invalid_request'],
    ['content of another kind', 'prompt/p@1.0.0', engineContent, {}, 'invalid_content'],
    ['an unknown scorer', 'suite/s@1.0.0', suiteWith('praise', {}), {}, 'invalid_content'],
    ['an unknown scorer option', 'suite/s@1.0.0', suiteWith('exact', { colour: 'red' }), {}, 'invalid_content'],
    ['too much content', 'prompt/p@1.0.0', manyMessages(), {}, 'invalid_content'],
  ])('refuses %s', async (...[, ref, content, rest, code]) => {
    await register('dataset/cases@1.0.0', { rows: [{ id: 'a' }] })
    await expect(register(ref, content, rest)).rejects.toEqual(refusal(code))
    await expect(store.catalog.version(ref)).rejects.toMatchObject({ name: 'SluiceError' })
  })

  it('lets one of many win when the same semver is registered with other content at once', async () => {
    const contents = Array.from({ length: 12 }, (_, number) => ({ text: `number ${number}` }))
    const results = await Promise.allSettled(
      contents.map((content, number) =>
        (number % 2 === 0 ? store : other).catalog.register(registration('prompt/race@1.0.0', content)),
      ),
    )
    const won = results.filter((result) => result.status === 'fulfilled')
    expect(won).toHaveLength(1)
    const lost = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []))
    expect(new Set(lost)).toEqual(new Set(['version_exists']))
    const kept = await store.catalog.version('prompt/race@1.0.0')
    expect(won[0]?.value.version).toEqual(kept)
  })

  it('creates once when the same content is registered at once', async () => {
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, number) =>
        (number % 2 === 0 ? store : other).catalog.register(registration('prompt/twins@1.0.0', { text: 'a' })),
      ),
    )
    expect(results.filter((result) => result.created)).toHaveLength(1)
  })

  it('judges semvers one after another: of two that break each other without saying so, one is refused', async () => {
    const results = await Promise.allSettled([
      store.catalog.register(registration('prompt/order@1.0.0', { text: '{{a}}' })),
      other.catalog.register(registration('prompt/order@1.1.0', { text: '{{b}}' })),
    ])
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []))
    expect(refused).toEqual(['semver_understated'])
    expect(await store.catalog.summaries({ kind: 'prompt', name: 'order' })).toHaveLength(1)
  })

  it('refuses a version that would make the label of a higher one untrue', async () => {
    await register('prompt/between@1.0.0', { text: '{{a}}' })
    await register('prompt/between@2.0.0', { text: '{{b}}' })
    await register('prompt/between@2.1.0', { text: 'x {{b}}' })
    await expect(register('prompt/between@2.0.1', { text: '{{a}}' })).rejects.toEqual(refusal('semver_understated'))
    await expect(register('prompt/between@1.9.0-rc.1', { text: '{{c}}' })).rejects.toEqual(
      refusal('semver_understated', { base: '1.0.0' }),
    )
    await register('prompt/late@1.1.0', { text: '{{a}}' })
    await expect(register('prompt/late@1.0.0', { text: '{{b}}' })).rejects.toEqual(
      refusal('semver_understated', { successor: '1.1.0', suggested: '2.0.0' }),
    )
  })

  it('notices stored content that was altered', async () => {
    await register('prompt/altered@1.0.0', { text: 'a' })
    await store.database
      .collection<{ _id: string }>('versions')
      .updateOne({ _id: 'prompt/altered@1.0.0' }, { $set: { content: '{"text":"b"}' } })
    await expect(store.catalog.version('prompt/altered@1.0.0')).rejects.toEqual(refusal('digest_mismatch'))
  })

  it('lists by kind, name and semver, in order and page by page', async () => {
    const labels = ['1.0.0-rc.2', '1.0.0-rc.10', '1.0.0', '1.2.0', '1.10.0', '2.0.0']
    for (const label of [...labels].reverse()) await register(`filter/list@${label}`, filterOf(label))
    await register('filter/list-other@1.0.0', filterOf('x'))
    const first = await store.catalog.summaries({ kind: 'filter', name: 'list', limit: 4 })
    expect(first.map((version) => version.semver)).toEqual(labels.slice(0, 4))
    const rest = await store.catalog.summaries({ kind: 'filter', name: 'list', after: 'filter/list@1.2.0' })
    expect(rest.map((version) => version.semver)).toEqual(labels.slice(4))
    const all = await store.catalog.versions({ kind: 'filter' })
    expect(all.map((version) => version.name)).toEqual([...labels.map(() => 'list'), 'list-other'])
  })

  it('finds by index what it asks for often', async () => {
    const versions = store.database.collection('versions')
    const questions = [
      versions.find({ kind: 'prompt', name: 'race', semver: '1.0.0' }),
      versions.find({ kind: 'prompt', digest: `sha256:${'0'.repeat(64)}` }).sort({ createdAt: 1, _id: 1 }),
      versions.find({ position: { $gt: 'prompt/a', $lt: 'prompt/b' } }).sort({ position: 1 }),
      versions.find({ 'references.digest': `sha256:${'0'.repeat(64)}` }),
    ]
    for (const question of questions) {
      const plan = JSON.stringify((await question.explain('queryPlanner')).queryPlanner.winningPlan)
      expect(plan).toContain('IXSCAN')
      expect(plan).not.toContain('COLLSCAN')
    }
  })
})

const filterOf = (value: string) => ({ accept: { attribute: 'a', eq: value } })

function suiteWith(scorer: string, options: object) {
  return {
    dataset: 'cases@1.0.0',
    scorers: [{ name: 'a', scorer, options }],
    primary: 'a',
    thresholds: { minAccuracy: 1 },
  }
}

function manyMessages() {
  return { messages: Array.from({ length: 3 }, () => ({ role: 'user', content: 'x'.repeat(400_000) })) }
}
