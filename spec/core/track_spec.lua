local helper = require "spec.helper"

--- Runs a script that tracks; returns its warnings, each without an address.
local function warnings(code)
  local output, how, number = helper.script(
    'local libevent = require "libevent" libevent.track(true)\n' .. code)
  assert.same({ "exit", 0 }, { how, number }, output)
  local lines = {}
  for line in output:gmatch "[^\n]+" do
    line = line:gsub("0x%x+", "ADDRESS")
    lines[#lines + 1] = line:gsub("made at .*:", "made at ")
  end
  return lines
end

local prefix = "Lua warning: libevent: libevent."
local suffix = " was never closed; it was made at "

describe("libevent.track", function()
  it("tells of descriptors that nobody has closed", function()
    for made, what in pairs {
      ["base:stream(one)"] = "stream: ADDRESS fd %d+ unix: → unix: idle",
      ["base:bufferevent(one)"] =
        "bufferevent: ADDRESS fd %d+ unix: → unix: idle",
      ["one"] = "socket: ADDRESS fd %d+ unix: → unix:",
      ["one:close() or base:listener('127.0.0.1:0', {}, print)"] =
        "evconnlistener: ADDRESS fd %d+ 127.0.0.1:%d+ accepting",
    } do
      local lines = warnings(([[
        local base = libevent.event_base()
        local one, other = libevent.socketpair() other:close()
        object = %s
      ]]):format(made))
      assert.equal(1, #lines, table.concat(lines, "\n"))
      assert.matches("^" .. (prefix .. what .. suffix):gsub("%-", "%%-")
        .. "%d$", lines[1])
    end
  end)

  it("tells at once where the collector finds one", function()
    local lines = warnings [[
      io.stdout:setvbuf "no"
      libevent.socketpair():close()
      collectgarbage()
      collectgarbage()
      print "end"
    ]]
    assert.equal(2, #lines)
    assert.matches(suffix .. "3$", lines[1])
    assert.equal("end", lines[2])
  end)

  it("tells at os.exit that closes the state, and where tasks wait", function()
    local lines = warnings [[
      local base = libevent.event_base()
      local one, other = libevent.socketpair()
      base:task(function() base:stream(one):read() end):name "reader"
      local stream = base:stream(other)
      base:timer(function()
        stream:close()
        os.exit(0, true)
      end):add(0.01)
      base:loop()
    ]]
    table.sort(lines)
    assert.equal(2, #lines, table.concat(lines, "\n"))
    assert.matches("stream: .*" .. suffix .. "4$", lines[1])
    assert.matches("task: ADDRESS %w+.* %(reader%) at .*:4 has not ended; "
      .. "it was made at 4$", lines[2])
  end)

  it("tells of a task without a name", function()
    local lines = warnings [[
      local base = libevent.event_base()
      base:task(function()
        local condition = base:condition()
        condition:wait()
      end)
      base:timer(function() os.exit(0, true) end):add(0.01)
      base:loop()
    ]]
    assert.equal(1, #lines, table.concat(lines, "\n"))
    assert.matches("task: ADDRESS %w+ at .*:%d+ has not ended; ", lines[1])
  end)

  it("tells of what no script has made", function()
    local lines = warnings [[
      one, other = coroutine.wrap(libevent.socketpair)()
      other:close()
    ]]
    assert.equal(1, #lines, table.concat(lines, "\n"))
    assert.matches("it was made at %?$", lines[1])
  end)

  it("says nothing where everything is closed, or holds nothing", function()
    assert.same({}, warnings [[
      local posix = require "spec.posix"
      local r, w = posix.pipe()
      local base = libevent.event_base()
      local one, other = libevent.socketpair()
      local stream = base:stream(one)
      base:bufferevent(other):close()
      base:bufferevent()
      base:event(r, "r", print):add()
      base:timer(print):add(10)
      base:defer(print)
      stream:close()
      base:listener("127.0.0.1:0", {}, print):close()
      collectgarbage()
    ]])
    assert.same({}, warnings [[
      libevent.run(function()
        local one, other = libevent.socketpair()
        other:close()
        stream = libevent.base():stream(one)
        libevent.spawn(stream.read, stream)
        libevent.sleep(0.001)
      end)
    ]])
  end)

  it("says nothing of what was made, or is dropped, while it is off",
    function()
    assert.same({}, warnings [[
      libevent.track(false)
      local one, other = libevent.socketpair()
      libevent.track(true)
      one, other = nil, nil
      collectgarbage()
      base = libevent.event_base()
      stream = base:stream((libevent.socketpair())):close()
      libevent.track(false)
      base:stream((libevent.socketpair()))
    ]])
  end)

  it("says nothing in a child of what is its parent's", function()
    assert.same({}, warnings [[
      local posix = require "spec.posix"
      local base = libevent.event_base()
      local one, other = libevent.socketpair()
      local stream = base:stream(one)
      local pid = posix.fork()
      if pid == 0 then
        os.exit(0, true)
      end
      posix.wait(pid)
      stream:close()
      other:close()
    ]])
  end)

  it("counts what is more than 20", function()
    local lines = warnings [[
      sockets = {}
      for i = 1, 50 do
        sockets[i] = { libevent.socketpair() }
      end
    ]]
    assert.equal(21, #lines)
    assert.equal("Lua warning: libevent: and 80 more", lines[21])
  end)
end)
