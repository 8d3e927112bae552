const fs = require('fs'), net = require('net'), tls = require('tls');
const m = require('module').createRequire('$work/aedes/')('aedes');
(async () => {
  const b = m.Aedes && m.Aedes.createBroker ? await m.Aedes.createBroker() : (m.default || m)();
  net.createServer(b.handle).listen(32883, '127.0.0.1');
  tls.createServer({cert: fs.readFileSync('$work/tls/ec.crt'), key: fs.readFileSync('$work/tls/ec.key')}, b.handle).listen(33883, '127.0.0.1');
})();
