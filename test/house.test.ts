import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { describeSettings } from '../src/config.ts'
import { findCycle, readSources, roomOf } from './support/rooms.ts'

/** Rooms may import from the floors below their own, and from themselves. ARCHITECTURE.md says why. */
const floors = [
  [''],
  ['storage', 'providers', 'http'],
  ['encryption', 'jobs', 'events', 'idempotency'],
  ['identity', 'interactions', 'copy'],
  ['messages'],
  ['replies'],
  ['feed'],
  ['openai', 'original'],
]
/** They know everyone: that is what they are for. */
const wiring = new Set([
  'main.js',
  'start.ts',
  'app.ts',
  'engine.ts',
  'embedded.ts',
  'cluster.ts',
  'migrate.ts',
])
/** The programs: the server, and the copying of its database. */
const programs = ['main.js', 'migrate.ts']

const sources = readSources()
const rooms = sources.filter(({ path }) => !wiring.has(path))

function floorOf(room: string) {
  return floors.findIndex((floor) => floor.includes(room))
}

describe('the house', () => {
  test('every file lives in a room that has a floor', () => {
    expect(sources.filter(({ room }) => floorOf(room) === -1).map(({ path }) => path)).toEqual([])
  })

  test('rooms look down only', () => {
    const upwards = rooms.flatMap(({ path, room, imports }) =>
      imports
        .filter((target) => roomOf(target) !== room && floorOf(roomOf(target)) >= floorOf(room))
        .map((target) => `${path} imports ${target}`),
    )
    expect(upwards).toEqual([])
  })

  test('no file, and no room, imports itself by a detour', () => {
    const files = new Map(sources.map(({ path, imports }) => [path, new Set(imports)]))
    expect(findCycle(files)).toBeUndefined()
    const between = new Map<string, Set<string>>()
    for (const { room, imports } of rooms) {
      const others = imports.map(roomOf).filter((target) => target !== room)
      between.set(room, new Set([...(between.get(room) ?? []), ...others]))
    }
    expect(findCycle(between)).toBeUndefined()
  })

  test('only routes and schemas know HTTP', () => {
    const others = rooms
      .filter(({ path, room }) => room !== 'http' && !/(^|\/)(routes|schemas|models)\.ts$/.test(path))
      .filter(
        ({ imports, packages }) =>
          imports.some((target) => roomOf(target) === 'http') || packages.includes('fastify'),
      )
    expect(others.map(({ path }) => path)).toEqual([])
  })

  test('doors call verbs, never stores', () => {
    const doors = rooms.filter(({ room }) => room === 'openai' || room === 'original')
    const direct = doors.filter(({ imports }) =>
      imports.some((target) => target.endsWith('store.ts') || roomOf(target) === 'storage'),
    )
    expect(direct.map(({ path }) => path)).toEqual([])
  })

  test('SQL lives in stores, and in the rooms where engines differ', () => {
    const differing = new Set(['storage', 'jobs', 'events'])
    const elsewhere = rooms.filter(
      ({ path, room, packages }) =>
        packages.includes('kysely') && !differing.has(room) && !path.endsWith('store.ts'),
    )
    expect(elsewhere.map(({ path }) => path)).toEqual([])
  })

  test('only main.js touches the environment, and only providers know vendors', () => {
    const readers = sources.filter(({ path, text }) => path !== 'main.js' && text.includes('process.env'))
    expect(readers.map(({ path }) => path)).toEqual([])
    const knowing = rooms.filter(
      ({ room, packages }) =>
        room !== 'providers' &&
        packages.some((name) => name.startsWith('@ai-sdk/') && name !== '@ai-sdk/provider'),
    )
    expect(knowing.map(({ path }) => path)).toEqual([])
  })

  test('files stay a thought long', () => {
    const lengths = sources.map(({ text }) => text.split('\n').length).toSorted((a, b) => a - b)
    expect(lengths[Math.floor(lengths.length / 2)]).toBeLessThan(100)
    expect(sources.filter(({ text }) => text.split('\n').length > 300).map(({ path }) => path)).toEqual([])
  })

  test('.env.example says what config.ts says', () => {
    // To write it anew: npx vitest run test/house -u
    return expect(describeSettings()).toMatchFileSnapshot('../.env.example')
  })

  test('every module of src is reached from a program', () => {
    const reached = new Set<string>()
    const visit = (path: string) => {
      if (reached.has(path)) return
      reached.add(path)
      for (const target of sources.find((file) => file.path === path)?.imports ?? []) visit(target)
    }
    programs.forEach(visit)
    expect(sources.map(({ path }) => path).filter((path) => !reached.has(path))).toEqual([])
  })

  test('no dependency is declared without being used', () => {
    const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      dependencies: Record<string, string>
    }
    const used = new Set(sources.flatMap(({ packages }) => packages))
    expect(Object.keys(dependencies).filter((name) => !used.has(name))).toEqual([])
  })
})
