import './design/tokens.css'
import './design/pieces.css'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { createRoot } from 'react-dom/client'
import { loadMessages } from './i18n'
import { router } from './router'

const queries = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: 15_000, refetchOnWindowFocus: false } } })

void loadMessages().then(() => {
  createRoot(document.getElementById('root')!).render(
    <QueryClientProvider client={queries}><RouterProvider router={router} /></QueryClientProvider>,
  )
})
