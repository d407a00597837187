--- `evrun ps`: the processes that one can look into.

local encode = require "libevent.evrun.json".encode
local find = require "libevent.console.find"
local folder = require "libevent.console.folder"
local layout = require "libevent.repl.layout"
local look = require "libevent.evrun.look"
local units = require "libevent.evrun.units"

local usage = [[
usage: evrun ps [options]
Lists your processes that run with --console, or have called libevent.console
with a name.
  --json         as a list of JSON objects
  --timeout secs how long to wait for an answer; 2 by default
  --help         show this list
]]

local patience = 2

local fields = { "name", "pid", "age", "script", "connections", "tasks" }

--- The rows of all that can be reached; those that do not answer have nothing
-- but a name and a number.
local function rows(timeout)
  local list, message = folder.list()
  if not list then
    return nil, message
  end
  local all = {}
  for i, each in ipairs(find.reach(list, timeout)) do
    local row
    if each.remote then
      row = each.remote:request "S"
      each.remote:close()
    end
    all[i] = type(row) == "table" and row or {}
    all[i].answers = row ~= nil
    all[i].name, all[i].pid = each.socket.name, each.socket.pid
  end
  return all
end

local function json(all)
  local objects = {}
  for i, row in ipairs(all) do
    objects[i] = { answers = row.answers }
    for _, name in ipairs(fields) do
      objects[i][name] = row[name]
    end
  end
  return encode(objects, ",\n ") .. "\n"
end

local function text(all)
  local lines = { { "PID", "NAME", "AGE", "TASKS", "CONNECTIONS", "SCRIPT" } }
  for _, row in ipairs(all) do
    lines[#lines + 1] = row.answers and {
      tostring(row.pid), row.name, units.age(row.age), tostring(row.tasks),
      tostring(row.connections), layout.plain(row.script),
    } or {
      tostring(row.pid), row.name, "-", "-", "-", "(does not answer)",
    }
  end
  return layout.columns(lines, { true, false, true, true, true })
end

local function ps(as_json, timeout)
  local all, message = rows(timeout)
  if not all then
    return nil, message
  end
  io.write((as_json and json or text)(all))
  return true
end

return function(args)
  local got, message = look.read(args, { ["--json"] = "flag",
    ["--timeout"] = "seconds", ["--help"] = "flag", ["-h"] = "flag" })
  if not got or got[1] then
    return look.fail(message or ("unexpected argument '%s'"):format(got[1]),
      usage)
  elseif got.help or got.h then
    io.write(usage)
    return 0
  end
  return look.run(ps, got.json, got.timeout or patience)
end
