import type { Entry } from '../model/target.ts'

/**
 * How to take files out of an object by hand, without this program: for people who have the mount and no catalog, and for those who want
 * to see for themselves (docs/users.md).
 * @param file null: all of them
 */
export function recipe(object: string, file: Pick<Entry, 'did' | 'bytes' | 'adler32' | 'md5'> | null): string {
  if (file === null)
    return [
      `# all files of ${object}`,
      `unzip ${quoted(object)} -d .`,
      `# what their checksums have to be`,
      `unzip -p ${quoted(object)} .tape-rse/manifest.json`,
    ].join('\n')
  const { name } = file.did
  const to = quoted(name.slice(name.lastIndexOf('/') + 1))
  return [
    `# ${name}, ${file.bytes} bytes`,
    `unzip -p ${quoted(object)} ${quoted(literal(name))} > ${to}`,
    check(file, to),
  ].join('\n')
}

/** unzip takes these for a pattern. */
const literal = (name: string): string =>
  name.replace(/[\\[\]*?]/gu, (special) => (special === '[' ? '[[]' : `\\${special}`))

/** As one word of a shell. */
const quoted = (text: string): string => (/^[\w./:+,@=-]+$/u.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

const adler32 =
  'import functools,sys,zlib; print("%08x" % functools.reduce(lambda a, b: zlib.adler32(b, a), iter(lambda: sys.stdin.buffer.read(1 << 20), b""), 1))'

const check = ({ adler32: sum, md5 }: Pick<Entry, 'adler32' | 'md5'>, file: string): string =>
  sum === null ? `md5sum ${file} # has to be ${md5!}` : `python3 -c '${adler32}' < ${file} # has to be ${sum}`
