// The answers of the API that pages read, as /openapi.json declares them.
export type Outcome = 'approve' | 'decline' | 'refer' | 'hold' | 'challenge' | 'offer' | 'skip'
export type Plain = string | number | boolean | null
export type Tone = '' | 'good' | 'warn' | 'bad' | 'off'

export interface Problem { title: string; status: number; code: string; got?: string | null; do?: string | null; place?: string | null }
export interface Session { id: string; role: string; purposes: { name: string; sentence: string }[]; version: string; project: string; csrf: string }
export interface LayerNode { id: string; name: string; note: string; to: string; tone: Tone; sub?: string; spark?: number[] }
export interface Layer { number: number; name: string; nodes: LayerNode[]; more: number; count: number | null; fresh: string | null; failures: number; failing: string; spark: number[] }
export interface Overview {
  name: string; now: string
  figures: { name: string; value: number; unit: string }[]
  attention: { tone: 'warn' | 'bad'; where: string; text: string; do: string; to: string; command: string }[]
  layers: Layer[]; edges: [string, string][]
}
export interface Hit { kind: string; name: string; what: string; to: string }
export interface AppLine { name: string; title: string; on: string; purpose: string; features: number; model: boolean; decisions: number }
export interface AppInfo {
  name: string; title: string; on: string; purpose: string; decide: string; module: string; policy: Record<string, Plain>
  features: Record<string, string>; inputs: string[]; pages: { path: string; question: string }[]; flow: boolean; inboxes: string[]; decisions: Record<string, number>; code: string
}
export interface Decided { id: string; app: string; on: string; when: string; outcome: Outcome; why: string; erased: boolean }
export interface DecisionPage { decisions: Decided[]; cursor: string | null; counts: Record<string, number> }
export interface Explanation {
  id: string; app: string; title?: string; outcome: Outcome; when: string; erased?: string
  reasons: { code: string; sentence?: string; numbers?: Record<string, Plain> }[]
  amounts?: Record<string, string>; subject?: string; on?: string; known?: string; known_after?: string
  features?: { name: string; value: Plain; unit: string; means: string }[]
  row?: Record<string, Plain>; score?: { probability: number; points: number | null; lost: { input: string; points: number }[] } | null
  policy?: Record<string, Plain>; purpose?: string; basis?: string; model?: string; code?: string; code_now?: string
  definitions_version?: string; tables?: Record<string, number>; environment?: Record<string, string>
}
export interface Spot { bins: number[]; low: number; high: number; at: number | null; percentile: number | null; n: number }
export interface Background {
  of: number; values: Record<string, Spot>
  score: (Spot & { outcomes: Record<string, number[]> }) | null
  changes: { name: string; from: string; to: string; outcome: Outcome }[]
}
export interface Proof { index: number; size: number; leaf: string; path: string[]; root: string; checkpoint: string }
export interface Replay { identical: boolean; decide: Record<string, number>; derive: Record<string, number>; findings: { id: string; step: string; what: string }[] }
export interface TableLine { table: string; rows: number; version: number | null; bytes: number; kind: 'event' | 'state'; sources: number; what: string }
export interface TableInfo {
  table: string; doc: string; kind: string; contract: string; rows: number; size: number; version: number | null
  fields: { field: string; type: string; unit: string; is: string; means: string }[]
  versions: { version: number; load: number | null; when: string; rows: number; files: number; bytes: number }[]
  features: string[]
}
export interface Rows { table: string; rows: Record<string, Plain>[]; money: Record<string, string>; after: string | null }
export interface ColumnProfile {
  column: string; count: number; missing: number; distinct: number | null; smallest: Plain; largest: Plain; mean: number | null
  quantiles: Plain[] | null; top: [string, number][] | null; histogram: { edges: number[]; counts: number[] } | null
  personal: boolean; past: { load: number; when: string; missing: number }[]
}
export interface TableQuality { table: string; columns: ColumnProfile[]; drifts: { column: string; note: string; psi: number | null; verdict: string; instant: string }[] }
export interface TableQuarantine {
  table: string; total: number; reasons: { reason: string; field: string; rows: number }[]
  rows: { load: number; reason: string; field: string; sentence: string; source: string; file: string; line: number; raw: string | null; cells: { name: string; value: Plain; hidden: boolean }[]; columns: string[] }[]
}
export type RefusedRow = TableQuarantine['rows'][number]
export interface Repaired { check: boolean; accepted: number; duplicates: number; reasons: { field: string; reason: string; sentence: string; do: string }[] }
export interface FeatureLine { name: string; by: string; what: string; unit: string; version: string }
export interface FeatureCard {
  name: string; app: string; what: string; unit: string; entity: string; version: string; definition: Record<string, unknown>; model: boolean
  decisions: number; missing: number; distribution: Spot | null
  months: { month: string; n: number; low: number; q1: number; median: number; q3: number; high: number }[]
  models: string[]; apps: string[]
}
export interface Parity { app: string; of: number; identical: boolean; derive: Record<string, number>; findings: { id: string; what: string }[] }
export interface ModelLine { number: number; model: string; app: string; stage: string; trainer: string; auc: string | null; trained: string; sha256: string }
export interface Figure { value: number; low: number; high: number }
export interface ModelCard extends ModelLine {
  bytes: number; approver: string | null; approved: string | null; note: string | null; window: (string | null)[]
  metrics: Record<'ours' | 'logistic', Record<string, unknown>>
  features: Record<string, string>; versions: Record<string, number>; settings: Record<string, Plain>
  events: { event: string; who: string; note: string; when: string }[]
  card: { input: string; bin: string; points: number; good: number; bad: number }[]
}
export interface Graph { nodes: string[]; edges: [string, string, string][]; note: string }
export interface Lineage { node: string; upstream: Graph; downstream: Graph }
export interface LoadLine { load: number; source: string; table: string; status: string; when: string; known: string | null; read: number; accepted: number; quarantined: number; version: number | null }
export interface RunLine { run: number; job: string; date: string; status: string; attempt: number; started: string; seconds: number | null; steps: { name: string; done: boolean }[]; error: string | null }
export interface AccessLine { number: number; when: string; who: string; role: string; purpose: string; basis: string; action: string; result: 'opened' | 'masked' | 'refused'; tables: string[]; rows: number; people: number; about: string[]; asked: Record<string, unknown> }
export interface LogHead { entries: number; root: string; counts: Record<string, number> }
export interface BlockData { form: string; title: string; note: string; width: 3 | 4 | 6 | 8 | 12; data: unknown; problem: Problem | null }
export interface PageData { app: string; title: string; purpose: string; path: string; question: string; blocks: BlockData[] }
export interface Series { x: string; y: string; drawn?: 'bars' | 'lines'; series: { name: string; points: [string, number][] }[] }
export interface Schema { type: string; title: string; description: string; properties: Record<string, { type: string | string[]; description: string; enum?: string[]; format?: string; examples?: unknown[]; pattern?: string }>; required: string[] }
export interface CaseLine { case: string; app: string; inbox: string; subject: string; status: 'open' | 'working' | 'waiting' | 'closed'; assignee: string; opened: string; due: string; level: number; revision: number; proposed: string; proposer: string; outcome: string; closed: string | null }
export interface CaseTold extends CaseLine { title: string; alerts: number; why: string; amount: string }
export interface CaseList { now: string; cases: CaseTold[]; counts: { app: string; inbox: string; status: string; n: number; late: number }[] }
export interface WholeCase extends CaseTold {
  now: string; calendar: string; outcomes: string[]; becomes: Record<string, string>; learns: Record<string, string>; four_eyes: string[]; keys: string[]; decisions: Decided[]
  documents: { id: string; name: string; kind: string; size: number; sha256: string; at: string; who: string }[]
  events: { at: string; who: string; role: string; action: string; detail: Record<string, unknown>; text: string }[]
}
export interface Around { id: string; kind: 'payment' | 'transfer in' | 'transfer out'; when: string; who: string; to: string; name: string; country: string; channel: string; device: string; status: string; amount: number; currency: string; lat: number | null; lon: number | null; decided: boolean }
export interface CaseNode { id: string; kind: 'person' | 'device' | 'merchant' | 'account'; name: string; own: boolean }
export interface CaseLink { from: string; to: string; what: 'pays' | 'uses'; n: number; amount: number; decided: boolean }
export interface Surroundings { events: Around[]; nodes: CaseNode[]; links: CaseLink[]; of: number; left_out: string[] }
export interface FlowStage { name: string; kind: string; says: string; entered: number | null; decided: number | null; outcomes: string[]; rules: { code: string; when: string; outcome: Outcome; points: number; rows: number | null }[]; amounts: Record<string, string>; features: string[] }
export interface FlowInfo { flow: string; version: number; on: string; sha256: string; policy: Record<string, Plain>; stages: FlowStage[]; text: string; drawing: string }
export interface FlowLine { number: number; flow: string; version: number; sha256: string; stage: string; proposed_by: string; proposed: string; approved_by: string | null }
interface Counted { outcomes: Record<string, number>; reasons: Record<string, number>; entered: Record<string, number>; decided: Record<string, number> }
export interface Tried { app: string; tried: string; rows: number; changed: number; now: Counted; then: Counted; swaps: { was: Outcome; would_be: Outcome; rows: number; bad: number; good: number; amount: number }[]; worth: Record<string, Record<string, number>> }
export interface Changes { id: string; outcome: Outcome; would_be: Outcome | null; changes: { name: string; now: Plain; to: Plain }[]; amounts: Record<string, number>; tried: number; complete: boolean }
export interface Letter { regime: string; decision: string; title: string; text: string; rule: string; due: string; codes: string[] }
export interface MessageLine { message: string; app: string; letter: string; subject: string; channel: string; purpose: string; status: string; why: string; reason: string; attempts: number; planned: string; sent: string | null; decision: string }
export interface MessageList { messages: MessageLine[]; counts: { app: string; status: string; reason: string; n: number }[]; stops: string[] }
export interface WholeMessage extends MessageLine { title: string; text: string; receipts: { event: string; at: string; note: string }[] }
export interface ListLine { list: string; kind: 'allow' | 'deny' | 'watch'; entries: number; ended: number }
export interface ListInfo { list: string; entries: { id: string; kind: string; of: string; key: string | null; since: string; until: string }[]; of: number }
export interface ScheduleInfo {
  alarms: { schedule: string; label: string; says: string; raised: string; ended: string | null }[]
  schedules: { name: string; job: string; when: string; zone: string; calendar: string; next: string | null; due: number; running: number; done: number; failed: number }[]
  pending: { schedule: string; label: string; status: 'due' | 'running' | 'failed'; attempts: number; next: string; error: string }[]
  jobs: string[]
}
export interface Pulse { decisions: number; loads: number; cases: number; late: number; revisions: number; messages: Record<string, number> }
export interface Flowing {
  now: string; served: boolean
  reels: { app: string; table: string; features: string[]; state: 'building' | 'empty' | 'current'; keys: number; events: number; cold_keys: number | null; cold_more: boolean; newest: string | null; waiting: number; later: number }[]
  apart: { app: string; why: string }[]; journals: { table: string; waiting: number }[]
  sources: { source: string; table: string; kind: string; topic: string; positions: { partition: number; offset: number }[]; state: string; load: number | null; when: string | null; accepted: number; error: string | null }[]
  sinks: { sink: string; kind: string; topic: string; apps: string[]; outcomes: string[]; at: number; waiting: number }[]
  jobs: { run: number; engine: string; what: string; status: string; started: string; seconds: number | null; rows: number | null; features: number; refused: number; error: string | null }[]
  cluster: { installed: string; running: boolean; port: number; managers: unknown[]; jobs: { id: string; state: string; back_pressure: string; checkpoints: number }[] }
}
export interface KnownName { name: string; kind: string; unit: string; means: string; codes: string[] }
export interface SegmentLine { segment: string; version: number; says: string; broken: string; when: unknown; purpose: string; note: string; who: string; at: string }
export interface SegmentList { segments: SegmentLine[]; known: KnownName[] }
export interface SegmentCount { says: string; when: unknown; at: string; of: number; looked: number; members: number; alone: number[]; units: Record<string, string>; sample: Record<string, Plain>[] }
export interface ShadowLine { app: string; title: string; number: number; flow: string; version: number; sha256: string; share: number; who: string; since: string; standing: boolean }
export interface TrialLine { app: string; title: string; share: number; shadow: boolean; champion: { number: number; model: string } | null; challenger: { number: number; model: string } | null; page: string }
export interface TrialList { shadows: ShadowLine[]; trials: TrialLine[] }
export interface ShadowReport { app: string; number: number; sha256: string; share: number; standing: boolean; rows: number; changed: number; failed: number; behind: number; swaps: { was: string; would_be: string; rows: number }[]; reasons: Record<string, number>; errors: Record<string, number>; decisions: string[] }
export interface ConsentsTold {
  customer: string; at: string; covered: boolean; unasked: { purpose: string; basis: string; says: string }[]
  asked: { purpose: string; says: string; basis: string; stands: string[]; ends: string[]; given: { consent: string; scope: string; status: string; mode: string; since: string; until: string | null }[] }[]
}
