// Which lines of a text were taken out and put in, with what stands around them.
export interface Line { mark: '+' | '-' | ' ' | '…'; text: string }
const AROUND = 2

export function differences(before: string, after: string): Line[] {
  const a = before.split('\n'), b = after.split('\n')
  // How long the longest common rest is, from each pair of lines on.
  const rest = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1))
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) rest[i][j] = a[i] === b[j] ? rest[i + 1][j + 1] + 1 : Math.max(rest[i + 1][j], rest[i][j + 1])
  const all: Line[] = []
  let i = 0, j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { all.push({ mark: ' ', text: a[i] }); i++; j++ }
    else if (j >= b.length || (i < a.length && rest[i + 1][j] >= rest[i][j + 1])) all.push({ mark: '-', text: a[i++] })
    else all.push({ mark: '+', text: b[j++] })
  }
  const near = (k: number) => all.slice(Math.max(0, k - AROUND), k + AROUND + 1).some(l => l.mark !== ' ')
  const kept: Line[] = []
  all.forEach((line, k) => { if (near(k)) kept.push(line); else if (kept.length && kept.at(-1)!.mark !== '…') kept.push({ mark: '…', text: '' }) })
  if (kept.at(-1)?.mark === '…') kept.pop()
  return kept
}
