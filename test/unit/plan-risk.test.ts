import { planRisk } from '../../src/domain/plan'
import { kindNames } from '../../src/domain/version'
import { kindOf } from '../../src/kinds'

describe('the risk of a release', () => {
  it('is known for every kind that a composite may have', () => {
    const kindsOf = (type: string) => kindNames.filter((kind) => kindOf(kind).changeType === type)
    expect(kindsOf('platform')).toEqual(['platform'])
    expect(kindsOf('engine')).toEqual(['engine', 'embedding', 'router', 'model'])
    expect(kindsOf('test')).toEqual(['dataset', 'suite', 'policy'])
    expect(kindsOf('configuration')).toEqual([
      'prompt',
      'schema',
      'mapping',
      'field',
      'filter',
      'tool',
      'postprocess',
      'index',
    ])
  })

  it.each([
    [[], 'configuration'],
    [['configuration', 'configuration'], 'configuration'],
    [['configuration', 'engine'], 'engine'],
    [['engine', 'platform', 'configuration'], 'platform'],
  ] as const)('of %j together is %s', (changed, risk) => {
    expect(planRisk(changed)).toBe(risk)
  })
})
