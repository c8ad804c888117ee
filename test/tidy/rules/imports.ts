import { type Import, importsOf, packageOf } from '../imports'
import { type Finding, isTest, type Rule } from '../source'
import { type Room, type RoomName, roomOf, rooms } from './rooms'

/** The import matrix: each room names the rooms and the packages it may use; what is not named is refused. */
export const imports: Rule = {
  name: 'imports',
  check(files) {
    const homeless = files
      .filter(({ path }) => /^(src|workflows|activities)\/.*\.tsx?$/.test(path) && roomOf(path) === undefined)
      .map(({ path }) => ({ path, line: 1, message: 'stands in no room of the layout: move it or extend the layout' }))
    return [...homeless, ...importsOf(files).flatMap(checkImport)]
  },
}

function checkImport(one: Import): Finding[] {
  const name = roomOf(one.from)
  if (name === undefined || isTest(one.from)) return []
  const message = one.target === undefined ? outside(one, name) : inside(one, one.target, name)
  return message === undefined ? [] : [{ path: one.from, line: one.line, message }]
}

function outside(one: Import, name: RoomName): string | undefined {
  const used = packageOf(one.specifier)
  if (used === undefined) return `imports ${one.specifier}, which leads nowhere`
  const { packages } = rooms[name]
  if (packages === 'any') return undefined
  return packages.some(
    (allowed) => used === allowed || (allowed.endsWith('/*') && used.startsWith(allowed.slice(0, -1))),
  )
    ? undefined
    : `${name} may not import the package ${used}; it may use ${packages.join(', ') || 'none'}`
}

function inside(one: Import, target: string, name: RoomName): string | undefined {
  const other = roomOf(target)
  if (other === undefined || other === name) return undefined
  const room: Room = rooms[name]
  if (room.rooms === 'any' || room.rooms.includes(other)) return undefined
  if (one.typeOnly && room.types?.includes(other)) return undefined
  if (room.files?.some(({ from, to }) => from.test(one.from) && to.test(target))) return undefined
  if (room.types?.includes(other)) return `${name} may import types only from ${other} (${target})`
  return `${name} may not import ${other} (${target})`
}
