local helper = require "spec.helper"
local libevent = require "libevent"

local run = helper.run
local errno = libevent.errno
local process = libevent.process
local pack = table.pack

describe("process start", function()
  it("gives streams for input and output", run(function()
    local cat <close> = assert(process.start {
      "cat", stdin = "stream", stdout = "stream",
    })
    cat.stdin:write "one\ntwo"
    assert.equal("one", (cat.stdout:read "l"))
    cat.stdin:shutdown()
    assert.equal("two", (cat.stdout:read "a"))
    assert.same(pack("exit", 0), pack(cat:wait()))
    assert.same(pack("exit", 0), pack(cat:status()))
    assert.matches("^libevent.program: .* exit 0$", tostring(cat))
    assert.is_nil(cat.stderr)
  end))

  it("gives what is asked for", run(function()
    local file = io.tmpfile()
    local sh = assert(process.start {
      "sh", "-c", "cat; echo $A; pwd; echo to three >&3; exit 4",
      stdin = "null", stdout = file, env = { A = "b" }, directory = "/",
      fds = { [3] = file },
    })
    assert.same(pack("exit", 4), pack(sh:wait(10)))
    file:seek "set"
    assert.equal("b\n/\nto three\n", file:read "a")
    file:close()
  end))

  it("kills what is closed, or canceled", run(function()
    local program
    local task = libevent.spawn(function()
      local sleep <close> = assert(process.start { "sleep", "100" })
      program = sleep
      sleep:wait()
    end)
    libevent.sleep(0.001)
    assert.is_true(program:pid() > 1)
    task:cancel()
    task:wait()
    assert.is_true(program.process:is_closed())
  end))

  it("leaves nothing when there is no such program", run(function(base)
    local before, objects = helper.descriptors(), #base:objects()
    assert.same({ nil, "exec: No such file or directory", errno.ENOENT,
      n = 3 }, pack(process.start { "no such program", stdin = "stream",
      stdout = "null", stderr = "stream" }))
    assert.equal(before, helper.descriptors())
    assert.equal(objects, #base:objects())
  end))

  it("refuses bad arguments", run(function()
    for message, given in pairs {
      ["a program and its arguments expected"] = {},
      ["unknown option 'x'"] = { "true", x = 1 },
      ["option 'env': table expected"] = { "true", env = 1 },
      ["option 'fds': table expected"] = { "true", fds = 1 },
      ["option 'session': boolean expected"] = { "true", session = 1 },
      ["option 'stdin': \"inherit\", \"null\", "] = { "true", stdin = "x" },
    } do
      for _, name in ipairs { "start", "run" } do
        local ok, got = pcall(function()
          process[name](given)
        end)
        assert.is_false(ok)
        assert.matches(("^spec/process_spec.lua:%%d+: bad argument #1 to '%s' ")
          :format(name) .. "%(" .. message, got)
      end
    end
    assert.is_false((pcall(process.start)))
  end))
end)

describe("process run", function()
  it("collects what a program writes", run(function()
    local text = ("x"):rep(300000)
    assert.same({ how = "exit", what = 2, stdout = text, stderr = "err\n" },
      process.run({ "sh", "-c", "cat; echo err >&2; exit 2" }, text))
    assert.same({ how = "signal", what = "KILL", core = false, stdout = "",
      stderr = "" }, process.run { "sh", "-c", "kill -9 $$" })
  end))

  it("tells why it cannot", run(function()
    assert.same({ nil, "exec: No such file or directory", errno.ENOENT,
      n = 3 }, pack(process.run { "/no/such/program" }))
    local input = ("x"):rep(1000000) -- more than a program takes unread
    for _, words in ipairs { "exec cat /dev/zero", "exec cat /dev/zero >&2" } do
      assert.same({ nil, "read: Message too long", errno.EMSGSIZE, n = 3 },
        pack(libevent.timeout(20, process.run, { "sh", "-c", words }, input)))
    end
  end))

  it("kills the program at a deadline", run(function(base)
    assert.same({ nil, "timed out", errno.ETIMEDOUT, n = 3 },
      pack(libevent.timeout(0.01, process.run, { "sleep", "100" })))
    libevent.sleep(0.05)
    for _, object in ipairs(base:objects()) do
      assert.not_equal("process", object.type)
    end
  end))

  it("runs many at once", run(function()
    local n = helper.sanitized and 10 or 50
    local ended = 0
    libevent.scope(function()
      for i = 1, n do
        libevent.spawn(function()
          local result = process.run({ "cat" }, "input " .. i)
          assert.equal("input " .. i, result.stdout)
          ended = ended + 1
        end)
      end
    end)
    assert.equal(n, ended)
  end))
end)
