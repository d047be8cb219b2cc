// Sets theme and language before the first paint; a file of its own, so that no page needs inline script.
(function () {
  var root = document.documentElement, kept = {}
  try { kept = JSON.parse(localStorage.getItem('heptad') || '{}') } catch (e) { kept = {} }
  var dark = matchMedia('(prefers-color-scheme: dark)').matches
  root.dataset.theme = kept.theme === 'dark' || (kept.theme !== 'light' && dark) ? 'dark' : 'light'
  root.lang = kept.lang === 'zh' || (!kept.lang && /^zh/.test(navigator.language)) ? 'zh' : 'en'
})()
