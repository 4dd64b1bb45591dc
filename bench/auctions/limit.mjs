// The auction workload by hand over batches of columns, one thread, no engine: the yardstick of compare.ts, kept as it was given (dense, unformatted).
// Run: node bench/auctions/limit.mjs QUERY EVENTS [SEED PER_MS WARM_EVENTS]; g1, g7, g31, gk are the generator alone.
const [q, NS, SS = '42', RS = '100', WS = '0'] = process.argv.slice(2); const seed = +SS | 0, R = +RS, T0 = 1.7e12, BS = 4096
const fm = (x) => { x ^= x >>> 16; x = Math.imul(x, 0x85EBCA6B); x ^= x >>> 13; x = Math.imul(x, 0xC2B2AE35); return x ^ (x >>> 16) }
const G = Array.from({ length: 24 }, (_, k) => Math.imul(k, 0x9E3779B1)); const h = (b, k) => fm(b + Math.imul(k, 0x9E3779B1) | 0) >>> 0
const price = (a, b) => { const s = 4 + a % 20; return (1 << s) + (b & ((1 << s) - 1)) }
let X = ''; for (let i = 0; i < 256; i++) X += String.fromCharCode(97 + (fm(i + 1) >>> 0) % 26)
const text = (a, b) => { const o = a % 192; return X.substring(o, o + 40 + b % 24) }
const kind = new Uint8Array(BS), A = new Int32Array(BS), B = new Int32Array(BS), C = new Int32Array(BS), S = new Int32Array(BS), Dt = new Float64Array(BS), T = new Float64Array(BS)
const K = { bidA: 1, bidB: 2, bidC: 4, per: 8, auc: 16 }
// fills a batch with the fields asked for; returns rows
function lean(from, to, want) { const wa = want & 1, wb = want & 2, wc = want & 4, wp = want & 8, wu = want & 16; let m = 0
  for (let n = from; n < to; n++) { const e = (n / 50) | 0, o = n - e * 50, b = fm(n ^ seed)
    if (o > 3) { if (!(want & 7)) continue; kind[m] = 2; T[m] = T0 + ((n / R) | 0); if (wa) { const L = 3 * e + 2; A[m] = 1000 + (h(b, 1) & 1 ? L - L % 100 : L - h(b, 2) % Math.min(L + 1, 100)) }
      if (wb) B[m] = 1000 + (h(b, 3) & 3 ? e - e % 100 : e - h(b, 4) % Math.min(e + 1, 1000)); if (wc) C[m] = price(h(b, 5), h(b, 6)); m++ }
    else if (o === 0) { if (!wp) continue; kind[m] = 0; T[m] = T0 + ((n / R) | 0); A[m] = 1000 + e; S[m] = h(b, 5) % 6; m++ }
    else { if (!wu) continue; kind[m] = 1; const t = T0 + ((n / R) | 0); T[m] = t; A[m] = 999 + 3 * e + o; B[m] = 1000 + (h(b, 9) & 3 ? e - e % 100 : e - h(b, 10) % Math.min(e + 1, 1000)); S[m] = 10 + h(b, 11) % 5; C[m] = price(h(b, 4), h(b, 5)) + price(h(b, 6), h(b, 7)); Dt[m] = t + 1 + h(b, 8) % 20000; m++ } }
  return m }
function keyed(from, to, k, mod) { let m = 0; for (let n = from; n < to; n++) { const b = fm(n ^ seed); A[m] = h(b, k) % mod; T[m] = T0 + ((n / R) | 0); m++ } return m }
// int32 key -> int32 count, open addressing
class Counts { constructor(cap = 1024) { this.mask = cap - 1; this.keys = new Int32Array(cap).fill(-1); this.vals = new Int32Array(cap); this.n = 0 }
  add(k, by) { let i = fm(k) & this.mask; const ks = this.keys; for (;;) { const x = ks[i]; if (x === k) return this.vals[i] += by; if (x === -1) { ks[i] = k; this.vals[i] = by; if (++this.n * 2 > this.mask) this.grow(); return by } i = (i + 1) & this.mask } }
  get(k) { let i = fm(k) & this.mask; for (;;) { const x = this.keys[i]; if (x === k) return this.vals[i]; if (x === -1) return 0; i = (i + 1) & this.mask } }
  grow() { const o = this.keys, v = this.vals, c = (this.mask + 1) * 2; this.mask = c - 1; this.keys = new Int32Array(c).fill(-1); this.vals = new Int32Array(c); for (let j = 0; j < o.length; j++) if (o[j] !== -1) { let i = fm(o[j]) & this.mask; while (this.keys[i] !== -1) i = (i + 1) & this.mask; this.keys[i] = o[j]; this.vals[i] = v[j] } }
  clear() { this.keys.fill(-1); this.n = 0 } }
function run(N) { let rows = 0, sum = 0; const each = (want, f, fin) => { for (let n = 0; n < N; n += BS) f(lean(n, Math.min(N, n + BS), want)); if (fin) fin() }
  const eachK = (k, mod, f, fin) => { for (let n = 0; n < N; n += BS) f(keyed(n, Math.min(N, n + BS), k, mod)); if (fin) fin() }
  if (q === 'gen' || q === 'q0') { for (let n = 0; n < N; n++) { const e = (n / 50) | 0, o = n - e * 50, b = fm(n ^ seed), ts = T0 + ((n / R) | 0)
      if (o > 3) { const L = 3 * e + 2, h7 = h(b, 7), h8 = h(b, 8), c = h8 % 10000, p = X.substring(h8 % 240, h8 % 240 + 12), hot = (h7 & 1) === 0
        const bid = { auction: 1000 + (h(b, 1) & 1 ? L - L % 100 : L - h(b, 2) % Math.min(L + 1, 100)), bidder: 1000 + (h(b, 3) & 3 ? e - e % 100 : e - h(b, 4) % Math.min(e + 1, 1000)), price: price(h(b, 5), h(b, 6)), channel: hot ? ['Google', 'Facebook', 'Baidu', 'Apple'][(h7 >>> 1) & 3] : 'channel-' + c, url: hot ? 'https://www.nexmark.com/' + p + '/item.htm?query=1' : 'https://www.nexmark.com/' + p + '/item.htm?query=1&channel_id=' + c, ts, extra: text(h(b, 9), h(b, 10)) }
        rows++; sum += bid.price; if (q === 'q0') sum += bid.channel.length + bid.url.length + bid.extra.length }
      else if (q === 'gen') { rows++; if (o === 0) { const id = 1000 + e; sink = { id, name: 'Peter ' + h(b, 1) % 11 + h(b, 2) % 9, email: 'p' + id + '@example.com', creditCard: h(b, 20) % 10000 + ' ' + h(b, 21) % 10000 + ' ' + h(b, 22) % 10000 + ' ' + h(b, 23) % 10000, city: h(b, 4) % 10, state: h(b, 5) % 6, ts, extra: text(h(b, 6), h(b, 7)) } } else { const i = price(h(b, 4), h(b, 5)); sink = { id: 999 + 3 * e + o, itemName: 'item-' + h(b, 1) % 1000, description: text(h(b, 2), h(b, 3)), initialBid: i, reserve: i + price(h(b, 6), h(b, 7)), ts, expires: ts + 1 + h(b, 8) % 20000, seller: 1000 + (h(b, 9) & 3 ? e - e % 100 : e - h(b, 10) % Math.min(e + 1, 1000)), category: 10 + h(b, 11) % 5, extra: text(h(b, 12), h(b, 13)) } } } } }
  else if (q === 'g1') each(K.bidA, (m) => { rows += m }); else if (q === 'g7') each(7, (m) => { rows += m }); else if (q === 'g31') each(31, (m) => { rows += m }); else if (q === 'gk') eachK(1, 10000, (m) => { rows += m })
  else if (q === 'q1') each(7, (m) => { for (let i = 0; i < m; i++) sum += Math.floor(C[i] * 908 / 1000); rows += m })
  else if (q === 'q2') each(7, (m) => { for (let i = 0; i < m; i++) if (A[i] % 123 === 0) { rows++; sum += C[i] } })
  else if (q === 'q3') { const p = new Counts(), w = new Map(); each(24, (m) => { for (let i = 0; i < m; i++) if (kind[i] === 0) { if (S[i] >= 1 && S[i] <= 3) { p.add(A[i], 1); const l = w.get(A[i]); if (l) { for (const a of l) { rows++; sum += a } w.delete(A[i]) } } } else if (S[i] === 10) { if (p.get(B[i])) { rows++; sum += A[i] } else { const l = w.get(B[i]); if (l) l.push(A[i]); else w.set(B[i], [A[i]]) } } }) }
  else if (q === 'q5' || q === 'jet5') { const slide = q === 'q5' ? 2000 : 500, per = 10000 / slide; let pane = -1; const panes = []; let cur = null
    let win = new Counts(16384)
    const fire = (last) => { const p = panes[last]; if (p) for (let i = 0; i < p.keys.length; i++) if (p.keys[i] !== -1) win.add(p.keys[i], p.vals[i])
      let mx = 0, live = 0; for (let i = 0; i < win.keys.length; i++) if (win.keys[i] !== -1 && win.vals[i] !== 0) { live++; if (q === 'q5') { if (win.vals[i] > mx) mx = win.vals[i] } else { rows++; sum += win.vals[i] } }
      if (q === 'q5') for (let i = 0; i < win.keys.length; i++) if (win.keys[i] !== -1 && win.vals[i] === mx && mx > 0) { rows++; sum += win.keys[i] + mx }
      const o = panes[last - per + 1]; if (o) { for (let i = 0; i < o.keys.length; i++) if (o.keys[i] !== -1) win.add(o.keys[i], -o.vals[i]); panes[last - per + 1] = null }
      if (win.n > 4 * live && win.n > 8192) { const w = win; win = new Counts(16384); for (let i = 0; i < w.keys.length; i++) if (w.keys[i] !== -1 && w.vals[i] !== 0) win.add(w.keys[i], w.vals[i]) } }
    const base = Math.floor(T0 / slide); const f = (m) => { let i = 0; while (i < m) { const p = Math.floor(T[i] / slide) - base; if (p !== pane) { if (pane >= 0) fire(pane); pane = p; cur = panes[p] = new Counts(16384) } const end = (base + p + 1) * slide; while (i < m && T[i] < end) cur.add(A[i++], 1) } }
    const fin = () => { for (let k = 0; k < per; k++) { fire(pane + k) } }; if (q === 'q5') each(K.bidA, f, fin); else eachK(1, 10000, f, fin) }
  else if (q === 'q7') { let w = -1, mx = -1, r = 0, s = 0; const fin = () => { rows += r; sum += s }; each(7, (m) => { for (let i = 0; i < m; i++) { const x = Math.floor(T[i] / 10000); if (x !== w) { fin(); w = x; mx = -1; r = s = 0 } const c = C[i]; if (c > mx) { mx = c; r = 1; s = A[i] + B[i] + c } else if (c === mx) { r++; s += A[i] + B[i] + c } } }, fin) }
  else if (q === 'q8') { let w = -1; const st = new Counts(); const fin = () => { for (let i = 0; i < st.keys.length; i++) if (st.keys[i] !== -1 && st.vals[i] === 3) { rows++; sum += st.keys[i] } st.clear() }; each(24, (m) => { for (let i = 0; i < m; i++) { const x = Math.floor(T[i] / 10000); if (x !== w) { fin(); w = x } if (kind[i] === 0) st.add(A[i], 0) & 1 || st.add(A[i], 1); else st.add(B[i], 0) & 2 || st.add(B[i], 2) } }, fin) }
  else if (q === 'q9') { let cap = 1 << 16; const idx = new Counts(1 << 17); let res = new Int32Array(cap), exp = new Float64Array(cap), at = new Float64Array(cap), bp = new Int32Array(cap), bt = new Float64Array(cap), bb = new Int32Array(cap); let n = 0; const heap = []; let wm = 0; const due = new Map(); const early = new Map()
    const apply = (j, t, c, b) => { if (t < at[j] || t >= exp[j] || c < res[j]) return; if (bp[j] < 0 || c > bp[j] || (c === bp[j] && (t < bt[j] || (t === bt[j] && b < bb[j])))) { bp[j] = c; bt[j] = t; bb[j] = b } }
    const fireTo = (t) => { for (; wm <= t; wm++) { const l = due.get(wm); if (l) { for (const j of l) if (bp[j] >= 0) { rows++; sum += bp[j] + bb[j] } due.delete(wm) } } }; wm = T0
    each(31, (m) => { for (let i = 0; i < m; i++) { if (kind[i] === 1) { if (n === cap) { cap *= 2; const g = (x) => { const y = new x.constructor(cap); y.set(x); return y }; res = g(res); exp = g(exp); at = g(at); bp = g(bp); bt = g(bt); bb = g(bb) } const j = n++; idx.add(A[i], j + 1); res[j] = C[i]; exp[j] = Dt[i]; at[j] = T[i]; bp[j] = -1; const l = due.get(Dt[i]); if (l) l.push(j); else due.set(Dt[i], [j]) } else if (kind[i] === 2) { const j = idx.get(A[i]); if (j) apply(j - 1, T[i], C[i], B[i]) } } fireTo(T[m - 1] - 1) }, () => fireTo(T0 + N / R + 30000)) }
  else if (q === 'q11') { const idx = new Counts(4096); let cap = 4096, last = new Float64Array(cap), cnt = new Int32Array(cap), key = new Int32Array(cap), n = 0; each(K.bidB, (m) => { for (let i = 0; i < m; i++) { let j = idx.get(B[i]); if (!j) { if (n === cap) { cap *= 2; const g = (x) => { const y = new x.constructor(cap); y.set(x); return y }; last = g(last); cnt = g(cnt); key = g(key) } j = ++n; idx.add(B[i], j); key[j - 1] = B[i]; last[j - 1] = T[i]; cnt[j - 1] = 1 } else { j--; if (T[i] - last[j] > 10000) { rows++; sum += key[j] + cnt[j]; cnt[j] = 1 } else cnt[j]++; last[j] = T[i] } } }, () => { for (let j = 0; j < n; j++) { rows++; sum += key[j] + cnt[j] } }) }
  else if (q === 'kcount') { const st = new Counts(); eachK(2, 1000000, (m) => { for (let i = 0; i < m; i++) sum += st.add(A[i], 1); rows += m }) }
  return [rows, sum] }
let sink; if (+WS) run(+WS); const c0 = process.cpuUsage(), t0 = performance.now(); const [rows, sum] = run(+NS); const s = (performance.now() - t0) / 1e3, c = process.cpuUsage(c0), cs = (c.user + c.system) / 1e6
console.log(JSON.stringify({ system: 'limit', query: q, events: +NS, rows, sum, seconds: +s.toFixed(3), cpu: +cs.toFixed(3), mps: +(+NS / s / 1e6).toFixed(2), mpcpu: +(+NS / cs / 1e6).toFixed(2) }))
