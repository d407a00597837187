-- A console, and who looks through it from the same process.

local console = require "libevent.console"
local folders = require "spec.console.folders"
local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local protocol = require "libevent.console.protocol"
local remote = require "libevent.console.remote"

local run, spawn, sleep = helper.run, libevent.spawn, libevent.sleep

local EADDRINUSE = 98

--- Runs fn(base, console, path) with a console that is closed afterwards.
local function with(fn, options)
  return run(function(base)
    local top, removed <close> = folders.new() -- luacheck: ignore
    local path = top .. "/socket"
    options = options or {}
    options.path = path
    local self <close> = assert(libevent.console(options))
    fn(base, self, path)
  end)
end

--- Attaches; returns the remote, and a function that tells what came since.
local function attach(path)
  local said = {}
  local self = assert(remote.connect(path, "it"))
  self:start(function(text)
    said[#said + 1] = text
  end, function(message)
    said[#said + 1] = "<" .. message .. ">"
  end)
  return self, function()
    local text = table.concat(said)
    said = {}
    return text
  end
end

--- A raw connection that sends bytes, and the last frame that comes back.
local function raw(path, bytes)
  local stream <close> = assert(libevent.connect("unix:" .. path))
  stream:write(bytes)
  local last
  repeat
    local frame = stream:readframe(protocol.format)
    last = frame or last
  until not frame
  return last
end

local hello = protocol.frame("H", protocol.greeting)

--- Lets the loop go on until something holds.
local function await(holds)
  while not holds() do
    sleep(0.001)
  end
end

describe("a console", function()
  it("has a socket for this user alone, and removes it", run(function()
    local top, removed <close> = folders.new() -- luacheck: ignore
    local path = top .. "/socket"
    local self = assert(libevent.console { path = path })
    assert.equal(path, self:getsockname())
    assert.equal("libevent.console: " .. path, tostring(self))
    local status = libevent.posix.lstat(path)
    assert.same({ "socket", "0600" }, { status.type, status.mode })
    local same, message, code = libevent.console { path = path }
    assert.is_nil(same)
    assert.matches("Address already in use", message)
    assert.equal(EADDRINUSE, code)
    self:close()
    self:close()
    assert.is_nil(libevent.posix.lstat(path))
  end))

  it("does not keep the loop running", function()
    local top, removed <close> = folders.new() -- luacheck: ignore
    local path = top .. "/socket"
    libevent.run(function()
      assert(libevent.console { path = path })
      local other = assert(libevent.connect("unix:" .. path))
      other:write(hello)
      assert(other:readframe(protocol.format))
    end)
    assert.is_nil(libevent.posix.lstat(path))
  end)

  it("runs what is typed, and says what comes of it", with(function(_, _, path)
    local self <close>, said = attach(path)
    assert.is_false(self:feed "1 + 1, 'a\\0b'")
    assert.equal('2\t"a\\0b"\n', said())
    assert.is_true(self:feed "for i = 1, 2 do")
    assert.is_true(self:feed "print(i)")
    assert.is_false(self:feed "end")
    assert.equal("1\n2\n", said())
    self:feed "error 'no'"
    assert.matches("^input:1: no\nstack traceback:", said())
    self:feed "x y"
    assert.matches("syntax error", said())
    self:feed ":tasks"
    assert.matches("main", said())
    self:feed "io.write(('x'):rep(300000))"
    assert.equal(300000, #said():match "^x+")
    assert.is_nil(self:feed ":quit")
    assert.equal("<>", said())
    assert.is_nil(self:feed "1")
  end))

  it("gives each terminal its own", with(function(_, _, path)
    local one <close>, said_one = attach(path)
    local other <close>, said_other = attach(path)
    local task = spawn(one.feed, one,
      "for i = 1, 3 do require 'libevent'.sleep(0.001) print(i) end")
    other:feed "'other'"
    task:wait()
    assert.equal("1\n2\n3\n", said_one())
    assert.equal('"other"\n', said_other())
    one:feed "_ , 1"
    other:feed "_"
    assert.equal("nil\t1\n", said_one())
    assert.equal('"other"\n', said_other())
  end))

  it("completes words", with(function(_, _, path)
    local self <close> = assert(remote.connect(path, "it"))
    assert.same({ "string.rep", "string.reverse" },
      self:request("C", "string.re"))
    assert.same({}, self:request("C", "no.such.thing"))
  end))

  it("stops an input that waits", with(function(_, _, path)
    local self <close>, said = attach(path)
    local task = spawn(self.feed, self, "require 'libevent'.sleep(1000)")
    await(function()
      self:interrupt()
      self.heard = true
      return task:is_done()
    end)
    assert.equal("canceled\n", said())
    self:feed "1"
    assert.equal("1\n", said())
  end))

  it("cuts off an input that hogs the loop", with(function(_, _, path)
    if helper.stress then
      return -- its hook is the only one
    end
    local self <close>, said = attach(path)
    self:feed "while true do end"
    assert.matches("stopped: too many instructions", said())
    self:feed "while true do pcall(function() while true do end end) end"
    assert.matches("stopped: too many instructions", said())
    self:feed "1"
    assert.equal("1\n", said())
  end, { limit = 1000000 }))

  it("cancels what a client has left running", with(function(_, it, path)
    _G.console_spec = {}
    local self = attach(path)
    local feeding = spawn(self.feed, self, [[local _ <close> = setmetatable({},
      { __close = function() console_spec.closed = true end })
      console_spec.begun = true
      require "libevent".sleep(1000)]])
    await(function()
      return _G.console_spec.begun
    end)
    self:close()
    await(function()
      return _G.console_spec.closed and not next(it.clients)
    end)
    assert.is_nil(feeding:wait())
    _G.console_spec = nil
  end))

  it("ends a terminal whose tasks were canceled", with(function(base, it, path)
    local self, said = attach(path)
    self:feed [[local libevent = require "libevent"
      for _, task in ipairs(libevent.base():tasks()) do
        if task:name() == "console" then task:cancel() end
      end]]
    assert.matches("has ended", said())
    await(function()
      return not next(it.clients)
    end)
    assert.is_nil(base:num_objects().condition)
  end))

  it("may be closed after its loop", function()
    local top, removed <close> = folders.new() -- luacheck: ignore
    local path, it = top .. "/socket", nil
    libevent.run(function()
      it = assert(libevent.console { path = path })
      local self = attach(path)
      local task = spawn(self.feed, self, "require 'libevent'.sleep(1000)")
      sleep(0.01)
      assert.is_false(task:is_done())
      libevent.base():loopbreak()
    end)
    it:close()
    assert.is_nil(libevent.posix.lstat(path))
  end)

  it("ends who sends what it does not understand", with(function(_, it, path)
    for bytes, reason in pairs {
      ["GET / HTTP/1.1\r\n\r\n"] = "a frame is too long",
      ["\255\255\255\255"] = "a frame is too long",
      [protocol.frame("I", "1")] = "this is no console of evrun",
      [protocol.frame("H", "evrun 7")] =
        "this is version 1 of the console, that is version 7",
      [hello .. protocol.frame("", "")] = "what was sent is not understood",
      [hello .. protocol.frame("\0", "x")] = "what was sent is not understood",
      [hello .. protocol.frame("I", "1"):rep(100)] =
        "too much is asked at a time",
      [hello .. protocol.frame("I", "require 'libevent'.sleep(1000)")
        .. (protocol.frame("I", ("x"):rep(1000000))):rep(2)] =
        "too much is asked at a time",
    } do
      assert.equal("E" .. reason, raw(path, bytes))
    end
    for _ = 1, 200 do
      local bytes = { math.random(3) > 1 and hello or "" }
      for i = 1, math.random(5) do
        bytes[i + 1] = math.random(2) == 1 and libevent.evutil
          .secure_rng_get_bytes(math.random(0, 40)) or protocol.frame(
            ("HIXCST?"):sub(math.random(7)):sub(1, 1), "\0\255{("):sub(
            1, math.random(20))
      end
      local stream = assert(libevent.connect("unix:" .. path))
      stream:write(table.concat(bytes))
      stream:close(math.random(2) == 1 and "now" or nil)
      sleep(0)
    end
    await(function() -- those that wait in the system come first
      local last = remote.connect(path, "it")
      if last then
        last:close()
      end
      return last
    end)
    await(function()
      return not next(it.clients)
    end)
    local self <close>, said = attach(path)
    self:feed "'well'"
    assert.equal('"well"\n', said())
  end))

  it("drops who does not read, and their input", with(function(_, it, path)
    local stream <close> = assert(libevent.connect("unix:" .. path))
    stream:write(hello, protocol.frame("I",
      "while true do print(('x'):rep(10000)) end"))
    await(function()
      return next(it.clients)
    end)
    local client, most = next(it.clients), 0
    await(function()
      if not client.stream:is_closed() then
        most = math.max(most, select(2, client.stream:pending()))
      end
      return not next(it.clients)
    end)
    assert.is_true(most > 0 and most < 300000, most)
  end, { patience = 0.05 }))

  it("drops who does not read what callbacks print", with(function(_, it, path)
    local stream <close> = assert(libevent.connect("unix:" .. path))
    stream:write(hello, protocol.frame("I", [[
      local print, text = print, ("x"):rep(100000)
      console_spec = require "libevent".base():timer(function(timer)
        print(text)
        timer:add(0)
      end)
      console_spec:add(0)]]))
    await(function()
      return rawget(_G, "console_spec")
    end)
    await(function()
      return not next(it.clients)
    end)
    _G.console_spec:close()
    _G.console_spec = nil
  end))

  it("lets a task that prints wait for who reads", with(function(_, _, path)
    local self <close>, said = attach(path)
    self:feed "for i = 1, 300 do print(('x'):rep(10000)) end"
    assert.equal(300 * 10001, #said())
  end))

  it("sends and wakes nothing while it is idle", with(function(base, _, path)
    local self <close> = attach(path)
    self:feed "1"
    sleep(0)
    local before = base:counters()
    sleep(0.1)
    local after = base:counters()
    assert.equal(before.bytes_written, after.bytes_written)
    assert.equal(before.bytes_read, after.bytes_read)
    assert.equal(1, after.callbacks - before.callbacks) -- of this task
  end))

  it("tells what ps and top show, and measures for top alone",
    with(function(base, it, path)
      local mine <close>, peer = libevent.socketpair()
      local stream <close> = base:stream(peer)
      local waiting = {}
      for i = 1, 3 do
        waiting[i] = spawn(sleep, 1000)
      end
      sleep(0)
      local self = assert(remote.connect(path, "it"))
      local row = assert(self:request "S")
      assert.same({ "", posix.getpid(), 4 }, { row.name, row.pid, row.tasks })
      assert.is_true(row.age >= 0)
      assert.equal(1 + 1, row.connections) -- and this side of the console's
      assert.is_nil(base:counters().busy)
      local sample = assert(self:request "T")
      assert.is_not_nil(base:counters().busy)
      assert.is_true(sample.lua > 0 and sample.callbacks > 0)
      local n = 0
      for _, place in ipairs(sample.places) do
        n = n + place.n
      end
      assert.equal(4, n)
      self:close()
      await(function()
        return not next(it.clients)
      end)
      assert.is_nil(base:counters().busy)
      assert.is_nil(it.probe)
      for _, task in ipairs(waiting) do
        task:cancel()
      end
      assert.is_false(mine:is_closed() or stream:is_closed())
    end))

  it("leaves alone what a script measures", with(function(base, it, path)
    base:measure()
    local self = assert(remote.connect(path, "it"))
    self:request "T"
    self:close()
    await(function()
      return not next(it.clients)
    end)
    assert.is_not_nil(base:counters().busy)
    base:measure(false)
    self = assert(remote.connect(path, "it"))
    self:request "T"
    base:measure() -- the script's own
    self:request "T"
    self:close()
    await(function()
      return not next(it.clients)
    end)
    assert.is_not_nil(base:counters().busy)
    base:measure(false)
  end))

  it("goes on while the program drains", with(function(base, _, path)
    local server = assert(libevent.serve("127.0.0.1:0", print))
    assert.equal(0, libevent.drain(base, 1))
    assert.is_true(server:is_closed())
    local self <close>, said = attach(path)
    self:feed "1"
    assert.equal("1\n", said())
  end))

  it("tells those who are attached that it ends", with(function(_, it, path)
    local self, said = attach(path)
    local task = spawn(self.feed, self, "require 'libevent'.sleep(1000)")
    sleep(0.01)
    it:close()
    assert.is_nil(task:wait())
    assert.matches("<it: the console was closed>$", said())
  end))

  it("lets in no more than 32", with(function(_, it, path)
    local list = {}
    for i = 1, 33 do
      list[i] = assert(libevent.connect("unix:" .. path))
      list[i]:write(hello)
    end
    local refused = 0
    for _, stream in ipairs(list) do
      if stream:readframe(protocol.format) == "Etoo many are attached" then
        refused = refused + 1
      end
      stream:close()
    end
    assert.equal(1, refused)
    await(function()
      return not it.base:num_objects().stream
    end)
  end))

  it("lets in its user and root", function()
    assert.is_true(console.permits(1000, 1000))
    assert.is_true(console.permits(0, 1000))
    assert.is_false(console.permits(1000, 0))
    assert.is_false(console.permits(1001, 1000))
  end)

  it("refuses bad arguments", run(function()
    for options, message in pairs {
      [{}] = "option 'name' or 'path' expected",
      [{ name = "a", path = "b" }] = "option 'name' or 'path' expected",
      [{ name = "a/b" }] = "option 'name': letters, digits, _ and %- expected",
      [{ name = "" }] = "option 'name': letters",
      [{ name = 7 }] = "option 'name': string expected",
      [{ path = "a", limit = 0 }] = "option 'limit': integer from 1 on",
      [{ path = "a", patience = -1 }] = "option 'patience': seconds",
      [{ path = "a", x = 1 }] = "unknown option 'x'",
      [7] = "table expected, got number",
    } do
      assert.error_matches(function()
        libevent.console(options)
      end, "bad argument #1 to 'console' %(" .. message)
    end
    local none, message, code = libevent.console { path = ("x"):rep(200) }
    assert.is_nil(none)
    assert.matches("the path of a unix socket is too long", message)
    assert.equal(libevent.errno.ENAMETOOLONG, code)
    none, message = libevent.console { path = "/no/such/folder/socket" }
    assert.is_nil(none)
    assert.matches("No such file or directory", message)
  end))
end)
