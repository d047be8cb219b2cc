import { createRootRoute, createRoute, createRouter, lazyRouteComponent, retainSearchParams } from '@tanstack/react-router'
import type { ComponentType } from 'react'
import { Missing } from './design/pieces'
import { Shell } from './shell/shell'

// Filters of a page stand in its URL beside the instant and the purpose, so that a link shows the same.
const text = (given: Record<string, unknown>): Search =>
  Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined && v !== '').map(([n, v]) => [n, String(v)]))

const root = createRootRoute({
  component: Shell, notFoundComponent: Missing, validateSearch: text,
  search: { middlewares: [retainSearchParams(['as_of', 'purpose'])] },
})
type Load = () => Promise<{ default: ComponentType }>
const page = (path: string, load: Load) => createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load, 'default') })

const routes = [
  page('/', () => import('./platform/home')),
  page('/decisions', () => import('./platform/decisions')),
  page('/decisions/$id', () => import('./platform/decision')),
  page('/inbox', () => import('./platform/cases')),
  page('/cases/$case', () => import('./platform/case')),
  page('/customers/$id', () => import('./platform/customer')),
  page('/tables', () => import('./platform/tables')),
  page('/tables/$table', () => import('./platform/table')),
  page('/features', () => import('./platform/features')),
  page('/features/$name', () => import('./platform/feature')),
  page('/models', () => import('./platform/models')),
  page('/models/$number', () => import('./platform/model')),
  page('/lineage', () => import('./platform/lineage')),
  page('/runs', () => import('./platform/runs')),
  page('/streams', () => import('./platform/streams')),
  page('/access', () => import('./platform/access')),
  page('/log', () => import('./platform/log')),
  page('/messages', () => import('./platform/messages')),
  page('/lists', () => import('./platform/lists')),
  page('/trials', () => import('./platform/trials')),
  page('/segments', () => import('./platform/segments')),
  page('/apps/$app/flow', () => import('./platform/flow')),
  page('/apps/$app', () => import('./platform/app')),
  page('/apps/$app/$page', () => import('./platform/app')),
]

// Numbers in the URL stay text: `as_of=2026` is an instant, not a quantity.
const parse = (text: string) => Object.fromEntries(new URLSearchParams(text))
const write = (values: Record<string, unknown>) => {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) if (value !== undefined && value !== '') query.set(name, String(value))
  const found = query.toString()
  return found ? `?${found}` : ''
}

export const router = createRouter({
  routeTree: root.addChildren(routes), defaultPreload: 'intent', parseSearch: parse, stringifySearch: write, scrollRestoration: true,
  defaultPreloadStaleTime: 0,
})
