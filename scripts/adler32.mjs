// Compiles src/io/adler32.wat into src/io/adler32-module.ts. The test beside it checks that both are the same program.
import { readFileSync, writeFileSync } from 'node:fs'
import wabt from 'wabt'

const source = readFileSync('src/io/adler32.wat', 'utf8')
const module = (await wabt()).parseWat('adler32.wat', source, { simd: true })
const base64 = Buffer.from(module.toBinary({}).buffer).toString('base64')
const lines = base64.match(/.{1,100}/g).map((line) => `  '${line}'`)
writeFileSync(
  'src/io/adler32-module.ts',
  `/** adler32.wat, compiled by scripts/adler32.mjs. */\nexport const adler32Module = [\n${lines.join(',\n')},\n].join('')\n`,
)
