import { soakKills } from './kills.ts'

const [what = 'kills', count] = process.argv.slice(2)
const soaks = new Map([['kills', soakKills]])
const soak = soaks.get(what)
if (!soak) throw new Error(`npm run soak -- ${[...soaks.keys()].join(' | ')} [<count>]`)
process.exitCode = (await soak(count === undefined ? undefined : Number(count))) ? 0 : 1
