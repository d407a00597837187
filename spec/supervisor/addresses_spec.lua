local addresses = require "libevent.supervisor.addresses"
local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run = helper.run

--- Reads addresses.
local function list(...)
  local all = {}
  for i, text in ipairs { ... } do
    all[i] = assert(addresses.read(text))
  end
  return all
end

describe("addresses of a service", function()
  it("are shared, or of each worker", function()
    local shared = addresses.read "127.0.0.1:9000"
    assert.same({ text = "127.0.0.1:9000" }, shared)
    assert.is_nil(addresses.read "unix:/tmp/x.sock".each)
    local range = addresses.read "[::1]:9001-9010"
    assert.equal(10, range.n)
    assert.equal("[::1]:9001", range.each(1))
    assert.equal("[::1]:9010", range.each(10))
    local path = addresses.read "unix:/tmp/x-%d.sock"
    assert.is_nil(path.n)
    assert.equal("unix:/tmp/x-3.sock", path.each(3))
  end)

  it("are refused", function()
    for text, message in pairs {
      [""] = "^'': ", x = "^'x': ", ["1.2.3.4:x"] = "^'1.2.3.4:x': ",
      ["127.0.0.1:9010-9001"] = "begins with its lower number",
      ["127.0.0.1:65530-65536"] = "^'127.0.0.1:65530%-65536': ",
      ["127.0.0.1:99999999999999999999-3"] = "^'127.*the port is no number",
      ["127.0.0.1:1-99999999999999999999"] = "^'127.*the port is no number",
      ["127.0.0.1:1-9223372036854775807"] = "^'127.*the port is no number",
      ["unix:" .. ("x"):rep(200)] = "too long",
    } do
      local address, got = addresses.read(text)
      assert.is_nil(address)
      assert.matches(message, got)
    end
  end)
end)

describe("sockets of a service", function()
  it("are one where it is shared", run(function(base)
    local sockets = assert(addresses.open(base, list "127.0.0.1:0", {}))
    assert.is_true(sockets:open(1))
    assert.is_true(sockets:open(2))
    local one, names = sockets:of(1)
    assert.equal("listen", names)
    assert.equal(one[1]:fd(), sockets:of(2)[1]:fd())
    assert.same(sockets:names(1), sockets:names(2))
    assert.matches("^127.0.0.1:%d+$", sockets:names(1)[1])
    sockets:close_own(1)
    assert.equal(1, #sockets:of(2))
    sockets:close()
    sockets:close()
    assert.is_true(one[1]:is_closed())
  end))

  it("are many with reuseport", run(function(base)
    local sockets = assert(addresses.open(base, list("127.0.0.1:0",
      "unix:/tmp/" .. posix.getpid() .. "-%d.sock"), { reuseport = true }))
    assert.is_true(sockets:open(1))
    assert.is_true(sockets:open(2))
    local one, other = sockets:of(1), sockets:of(2)
    assert.not_equal(one[1]:fd(), other[1]:fd())
    assert.matches("%d%-2.sock$", other[2]:getsockname())
    sockets:close_own(2)
    assert.is_true(other[2]:is_closed())
    assert.is_false(one[2]:is_closed())
    sockets:close()
    assert.is_nil((libevent.posix.lstat(
      ("/tmp/%d-1.sock"):format(posix.getpid()))))
  end))

  it("are as many as the range has", run(function(base)
    local busy <close> = base:listener("127.0.0.1:0", nil, print)
    local port = busy:getsockname():match "%d+$"
    local range = ("127.0.0.1:%d-%d"):format(port, port)
    local sockets = assert(addresses.open(base, list(range), {}))
    local ok, message, code = sockets:open(1)
    assert.same({ nil, libevent.errno.EADDRINUSE }, { ok, code })
    assert.matches("^127.0.0.1:" .. port .. ": .*in use$", message)
    assert.same({ nil, range .. " has no address for worker 2",
      libevent.errno.ERANGE }, { sockets:open(2) })
    sockets:close()
  end))

  it("leave nothing where one cannot be opened", run(function(base)
    local before = helper.descriptors()
    local sockets, message, code = addresses.open(base,
      list("127.0.0.1:0", "unix:/no/such/folder/x"), {})
    assert.same({ nil, libevent.errno.ENOENT }, { sockets, code })
    assert.matches("^unix:/no/such/folder/x: ", message)
    assert.equal(before, helper.descriptors())
  end))
end)
