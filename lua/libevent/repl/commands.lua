--- What begins with a colon: commands that look at the process.

local docs = require "libevent.docs"
local evaluate = require "libevent.repl.evaluate"
local layout = require "libevent.repl.layout"
local show = require "libevent.repl.show"
local task = require "libevent.task"

local commands = {}

local help = [[
:help            this list
:objects         what the loop has open
:tasks           the tasks, and where each waits
:counters        what the loop has done
:time expr       runs it, and tells how long it took
:doc name        what the manual says, such as :doc stream:read
:load file       runs a file
:quit            leaves; so does Ctrl-D
Anything else is Lua: an expression shows its values, = before it is not needed.
_ is the last value. Ctrl-C stops what runs.
]]

local named = {}

--- The list of commands.
function named.help(session)
  session.write(help)
end

--- The end of the session.
function named.quit()
  return nil, true
end

--- What is open.
function named.objects(session)
  local rows = {}
  for i, object in ipairs(session.base:objects()) do
    rows[i] = {
      object.description,
      object.created and ("%s, %.1f s ago"):format(object.created, object.age)
        or "",
    }
  end
  session.write(layout.columns(rows))
end

--- Who waits for what.
function named.tasks(session)
  local rows = {}
  for i, each in ipairs(task.tasks(session.base)) do
    rows[i] = { each.name, each.waits or each.status, each.where or "" }
  end
  session.write(layout.columns(rows))
end

--- What the loop has done.
function named.counters(session)
  session.write(show.value(session.base:counters()) .. "\n")
end

--- How long an input takes.
function named.time(session, rest)
  local chunk, message = evaluate.compile(rest, session.env)
  if chunk then
    session:execute(chunk, true)
  else
    session.write((message or "something is missing") .. "\n")
  end
end

--- A file as an input.
function named.load(session, rest)
  if rest == "" then -- loadfile would name no file
    return session.write "which file?\n"
  end
  local chunk, message = loadfile(rest, "t", session.env)
  if chunk then
    session:execute(chunk)
  else
    session.write(message .. "\n")
  end
end

--- What the manual says.
function named.doc(session, rest)
  session.write(docs.find(rest))
end

--- Does what a line says; returns false, or nil when the session is over.
---@param session libevent.session
---@param line string
---@return boolean? more
function commands.run(session, line)
  local name, rest = line:match "^%s*:(%a+)%s*(.*)$"
  local command = named[name]
  if not command then
    session.write(("no command :%s (see :help)\n"):format(name))
    return false
  end
  local _, over = command(session, rest:match "^.*%S" or "")
  if over then
    return nil
  end
  return false
end

return commands
