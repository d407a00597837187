--- Which process a word of the command line means.

local core = require "libevent.core"
local folder = require "libevent.console.folder"
local remote = require "libevent.console.remote"
local task = require "libevent.task"

local ECONNREFUSED, ENOENT = core.errno.ECONNREFUSED, core.errno.ENOENT

local find = {}

--- Connects to all sockets of a list at once; those that nobody listens to are
-- left out.
---@param list table[] As `folder.list` returns it.
---@param timeout number Seconds.
---@return table[] found Each with `socket`, an entry of the list, and `remote`,
-- or `message` where there was no answer.
function find.reach(list, timeout)
  local tasks, found = {}, {}
  for i, socket in ipairs(list) do
    tasks[i] = task.spawn(remote.connect, socket.path,
      ("%s (process %d)"):format(socket.name, socket.pid), timeout)
  end
  for i, one in ipairs(tasks) do
    local reached, message, code = one:wait()
    if code ~= ECONNREFUSED and code ~= ENOENT then
      found[#found + 1] = { socket = list[i], remote = reached,
        message = message }
    end
  end
  return found
end

--- Those that a word means: a name, or the number of a process.
local function chosen(list, word)
  local some = {}
  for _, socket in ipairs(list) do
    if socket.name == word or tostring(socket.pid) == word then
      some[#some + 1] = socket
    end
  end
  return some
end

local function ambiguous(word, found)
  local pids = {}
  for i, each in ipairs(found) do
    pids[i] = tostring(each.socket.pid)
    if each.remote then
      each.remote:close()
    end
  end
  return nil, ("several processes are called %s: %s; say which, by its number")
    :format(word, table.concat(pids, ", "))
end

--- Connects to the process that a word means. Only a task can.
---@param word string Its name, its number, or the path of its socket.
---@param timeout number Seconds for its answer.
---@return libevent.console.remote? remote
---@return string? message
function find.connect(word, timeout)
  if word:find "/" then
    return remote.connect(word, word, timeout)
  end
  local list, message = folder.list()
  if not list then
    return nil, message
  end
  local found = find.reach(chosen(list, word), timeout)
  if #found > 1 then
    return ambiguous(word, found)
  elseif found[1] then
    return found[1].remote, found[1].message
  end
  return nil, ("no process is called %s, or has that number (see evrun ps)")
    :format(word)
end

return find
