// Makes dist/ of src/: few files, because many take longer to find and to load than a command takes to answer.
import { build } from 'esbuild'
import { readFileSync, rmSync } from 'node:fs'

/** These are needed by every command; all others stay where npm has put them. */
const bundled = ['commander', 'yaml']
const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
const shared = {
  outdir: 'dist',
  outbase: 'src',
  bundle: true,
  platform: 'node',
  target: 'node24',
  sourcemap: 'linked',
  logLevel: 'warning',
  external: Object.keys(dependencies).filter((name) => !bundled.includes(name)),
}

rmSync('dist', { recursive: true, force: true })
await Promise.all([
  build({
    ...shared,
    entryPoints: ['src/main.ts', 'src/catalog/backup-worker.ts'],
    format: 'esm',
    splitting: true, // what only some commands need is loaded by those
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
    },
  }),
  // In one file, and as CommonJS: so it starts in two thirds of the time.
  build({ ...shared, entryPoints: ['src/mover/worker.ts'], format: 'cjs', outExtension: { '.js': '.cjs' } }),
])
