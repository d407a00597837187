// The timers of Node.js, as bench/timers.lua has them.
const [mode, n] = [process.argv[2], Number(process.argv[3])];
let fired = 0;
const once = () => { fired++; };
for (let i = 0; i < n; i++) {
  if (mode === 'oneshot') setTimeout(once, Math.random() * 1000);
  else if (mode === 'periodic') setInterval(once, 1);
  else clearTimeout(setTimeout(once, Math.random() * 1e6));
}
const end = () => { console.log(fired); process.exit(); };
if (mode === 'periodic') setTimeout(end, 3000);
else process.on('exit', () => console.log(fired));
