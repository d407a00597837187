-- Where a script is said to be.

local helper = require "spec.helper"
local libevent = require "libevent"

local run = helper.run

local function line()
  return debug.getinfo(2, "l").currentline
end

describe("where something is", function()
  it("is where the script waits, not where the library does", run(function()
    local queue <close> = libevent.queue()
    local at
    local task = libevent.spawn(function()
      at = line() + 1
      queue:get()
    end)
    libevent.sleep(0)
    assert.matches("where_spec%.lua:" .. at .. "$", task:where())
    local found
    for _, each in ipairs(libevent.tasks()) do
      found = found or each.task == task and each.where
    end
    assert.equal(task:where(), found)
    queue:close()
  end))

  it("is where the script calls what makes it", run(function(base)
    libevent.track(true)
    local acceptor <close> = assert(libevent.listen "127.0.0.1:0")
    local at = line() - 1
    libevent.track(false)
    local created = {}
    for _, each in ipairs(base:objects()) do
      created[#created + 1] = each.created
    end
    assert.truthy(acceptor:getsockname())
    assert.equal(1, #created)
    assert.matches("where_spec%.lua:" .. at .. "$", created[1])
  end))

  it("is where the library is, if no script has called it", run(function()
    local task = libevent.base():task(libevent.queue().get, libevent.queue())
    libevent.sleep(0)
    assert.matches("libevent/%l+%.lua:%d+$", task:where())
    task:cancel()
  end))

  it("is anywhere where there is the core alone", function()
    helper.prints("true\n", [[
      local core = require "libevent.core"
      core.track(true)
      local base <close> = core.event_base()
      local event = base:event(-1, "", print)
      event:add(1)
      print(base:objects()[1].created:match ":4$" ~= nil)
    ]])
  end)

  it("is where a script of another folder of that name is", function()
    local folder <const> = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir -p %s/libevent"):format(folder)))
    local file = assert(io.open(folder .. "/libevent/script.lua", "w"))
    file:write [[
      local libevent = require "libevent"
      libevent.run(function()
        print(libevent.running():where())
      end)
    ]]
    file:close()
    local output = helper.script(("dofile %q"):format(folder
      .. "/libevent/script.lua"))
    os.execute("rm -r " .. folder)
    assert.matches("/libevent/script%.lua:3\n$", output)
  end)
end)
