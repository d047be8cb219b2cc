// Words of the console in English, which are their own keys, and in Chinese; the type of `t` keeps zh complete.
import type { zh as Chinese } from './zh'

export type Message = keyof typeof Chinese
let messages: Record<string, string> = {}
let patterns: [RegExp, string][] = []

export const language = (): 'en' | 'zh' => (document.documentElement.lang === 'zh' ? 'zh' : 'en')

export async function loadMessages(): Promise<void> {
  if (language() !== 'zh') return
  const chinese = await import('./zh')
  messages = { ...chinese.words, ...chinese.zh }
  patterns = chinese.patterns
}

/** Say a message in the reader's language; {name} is replaced by the value given. */
export function t(text: Message, values: Record<string, string | number> = {}): string {
  return said(text, values)
}

/** Say a word that the server sent, where the console knows it; else as it came. */
export function said(text: string, values: Record<string, string | number> = {}): string {
  const pattern = messages[text] === undefined ? patterns.find(([form]) => form.test(text)) : undefined
  const found = messages[text] ?? (pattern ? text.replace(pattern[0], pattern[1]) : text)
  return found.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole))
}

const kept = () => { try { return JSON.parse(localStorage.getItem('heptad') ?? '{}') as Record<string, string> } catch { return {} } }
export const keep = (name: 'theme' | 'lang', value: string) => localStorage.setItem('heptad', JSON.stringify({ ...kept(), [name]: value }))

const tag = () => (language() === 'zh' ? 'zh-CN' : 'en-GB')
const formats = new Map<string, Intl.NumberFormat>()
function format(name: string, options: Intl.NumberFormatOptions) {
  const id = tag() + name
  if (!formats.has(id)) formats.set(id, new Intl.NumberFormat(tag(), options))
  return formats.get(id)!
}
export const int = (x: number) => format('int', { maximumFractionDigits: 0 }).format(x)
export const decimal = (x: number, digits = 3) => format(`d${digits}`, { maximumSignificantDigits: Math.max(digits, 3) }).format(x)
export const compact = (x: number) => (Math.abs(x) < 10_000 ? int(x) : new Intl.NumberFormat(language() === 'zh' ? 'zh-CN' : 'en-US', { notation: 'compact', maximumFractionDigits: 1 }).format(x))
export const percent = (x: number, digits = 1) => format(`p${digits}`, { style: 'percent', maximumFractionDigits: digits }).format(x)
export const fixed = (x: number, digits: number) => format(`f${digits}`, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(x)
export const bytes = (x: number) => (x < 1024 ? `${x} B` : x < 1 << 20 ? `${(x / 1024).toFixed(0)} kB` : `${(x / (1 << 20)).toFixed(1)} MB`)

/** How many decimals a currency has. */
export const digits = (currency: string) => format(`m${currency}`, { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2

/** An amount in minor units as its currency writes it. */
export function money(minor: number, currency: string): string {
  try {
    return fixed(minor / 10 ** digits(currency), digits(currency))
  } catch { return int(minor) }
}

const SEVERAL: Record<string, string> = { day: 'days', month: 'months', year: 'years', degree: 'degrees' }

/** A unit in words behind a value of it: 1 event, 2 events. */
export const counted = (value: unknown, unit: string) => said(Math.abs(Number(value)) === 1 ? (unit === 'events' ? 'event' : unit) : (SEVERAL[unit] ?? unit))

/** An instant in UTC as people read it: the day and the second, without its zone's letters. */
export const instant = (iso: string) => iso.replace('T', ' ').replace(/(\.\d+)?Z$/, '')
export const dayOf = (iso: string) => iso.slice(0, 10)

/** How long before `now` an instant was, in one unit. */
export function ago(iso: string, now: string): string {
  const seconds = Math.max(0, (Date.parse(now) - Date.parse(iso)) / 1000)
  const [n, unit] = seconds < 90 ? [seconds, 's'] : seconds < 5400 ? [seconds / 60, 'min'] : seconds < 172_800 ? [seconds / 3600, 'h'] : [seconds / 86_400, 'd']
  return `${Math.round(n as number)} ${unit}`
}

/** How long there is until an instant, or how long it has been over, in one unit. */
export function until(iso: string, now: string): { text: string; late: boolean; soon: boolean } {
  const seconds = (Date.parse(iso) - Date.parse(now)) / 1000, whole = Math.abs(seconds)
  const [n, unit] = whole < 5400 ? [whole / 60, 'min'] : whole < 172_800 ? [whole / 3600, 'h'] : [whole / 86_400, 'd']
  return { text: `${Math.round(n as number)} ${unit}`, late: seconds <= 0, soon: seconds < 4 * 3600 }
}
