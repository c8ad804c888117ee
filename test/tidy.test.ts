import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rules } from './tidy/rules'
import { bans } from './tidy/rules/bans'
import { type Finding, readTree } from './tidy/source'

const root = join(__dirname, '..')
const fixtures = join(__dirname, 'tidy-fixtures')

const places = (findings: readonly Finding[]): string[] => findings.map(({ path, line }) => `${path}:${line}`).sort()

/** Every file of a fixture, histories included, with `path` relative to its tree. */
const fixtureTree = (name: string) => readTree(join(fixtures, name, 'tree'))

describe('the house keeps its rules', () => {
  const tree = readTree(root)
  it.each(rules)('$name', ({ check }) => {
    const findings = check(tree).map(({ path, line, message }) => `${path}:${line} ${message}`)
    expect(findings).toEqual([])
  })
})

describe('each rule catches what it is for, and nothing beside it', () => {
  it.each(rules)('$name', ({ name, check }) => {
    const expected: string[] = JSON.parse(readFileSync(join(fixtures, name, 'expected.json'), 'utf8'))
    expect(places(check(fixtureTree(name)))).toEqual(expected.sort())
    expect(expected).not.toHaveLength(0)
  })

  it('has a fixture for every rule and no other', () => {
    expect(readdirSync(fixtures).sort()).toEqual(rules.map(({ name }) => name).sort())
  })

  it('has an offender for every ban', () => {
    const findings = rules.find(({ name }) => name === 'bans')?.check(fixtureTree('bans')) ?? []
    const unproved = bans.filter(({ name }) => !findings.some(({ message }) => message.includes(`banned: ${name};`)))
    expect(unproved.map(({ name }) => name)).toEqual([])
  })
})
