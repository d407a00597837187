-- Runs the examples of a page of the manual, each by itself, then the whole
-- page; tells where they fail or print something else than they say.
--
--   lua5.4 docs/try.lua docs/examples/stream.lua
--
-- `--> text` says what the `print` at its left, or above it, prints: all of it,
-- with commas between; an ellipsis stands for anything. What follows in lines
-- of its own goes on with that.

local examples = require "docs.examples"
local libevent = require "libevent"

local page = examples.read_file(arg[1])
local failures = 0

local function fail(line, text, ...)
  failures = failures + 1
  io.stderr:write(("%s:%d: "):format(page.file, line), text:format(...), "\n")
end

--- What is to be printed by the lines from one to another, by their number.
local function outputs(first, last)
  local due, at = {}, nil
  for number = first, last do
    local code, text = page.lines[number]:match "^(.-)%-%-> ?(.*)$"
    if (code or page.lines[number]):find "%f[%w_]print%f[^%w_]" then
      at = number
    end
    if text and not at then
      fail(number, "nothing is printed here")
    elseif text then
      due[at] = due[at] and due[at] .. ", " .. text or text
    end
  end
  return due
end

--- A `print` that notes what each line of a page prints, in a table by their
-- numbers; what calls it from elsewhere is no line of it.
local function printer(printed)
  return function(...)
    local caller = debug.getinfo(2, "lS")
    local line = caller.source == "@" .. page.file and caller.currentline or -1
    printed[line] = printed[line] or {}
    for i = 1, select("#", ...) do
      table.insert(printed[line], tostring((select(i, ...))))
    end
  end
end

--- Compares what was printed with what is said of it. Lines of which nothing is
-- said may print anything.
local function compare(due, printed)
  for line, text in pairs(due) do
    local got = table.concat(printed[line] or {}, ", ")
    local pattern = text:gsub("%p", "%%%0"):gsub("…", ".-")
    if not got:find("^" .. pattern .. "$") then
      fail(line, "it prints '%s', not '%s'", got, text)
    end
  end
end

--- The prelude and the lines from one to another, at their places in the file.
local function source(first, last)
  local lines = {}
  for number, line in ipairs(page.lines) do
    local kept = number < page.begins or number >= first and number <= last
    lines[number] = kept and not line:find "^#!" and line or ""
  end
  return table.concat(lines, "\n")
end

local function run(first, last)
  local due, printed = outputs(first, last), {}
  local chunk, message = load(source(first, last), "@" .. page.file, "t",
    setmetatable({ print = printer(printed) }, { __index = _G }))
  if not chunk then
    return fail(first, "%s", message)
  end
  local ok, err = xpcall(page.tasks and libevent.run or chunk,
    debug.traceback, page.tasks and chunk or nil)
  if not ok then
    return fail(first, "%s", err)
  end
  compare(due, printed)
end

if #page == 0 then
  fail(1, "no examples")
end
for _, example in ipairs(page) do
  run(example.line, example.last)
end
if failures == 0 then
  run(1, #page.lines)
end
os.exit(failures == 0)
