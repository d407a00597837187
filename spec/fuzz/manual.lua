--- What the manual says there is to call, beside what the fuzzer has called.

local manual = {}

--- What the fuzzer leaves alone, functions or modules, and why.
manual.excluded = {
  ["libevent.posix.alarm"] = "its alarm is what ends a seed that hangs",
  ["libevent.readline"] = "needs a terminal, and takes it over",
}

--- How often each was called, and has returned.
local called, returned = {}, {}

--- Full names of all there is, and the public methods of each type and class,
-- by its name.
local all, methods = {}, {}

--- The index stands beside the C module.
local function load_index()
  return dofile(assert(package.searchpath("libevent.docs.index",
    (package.cpath:gsub("%.so%f[;\0]", ".lua")))))
end

for _, page in ipairs(load_index()) do
  for _, member in ipairs(page.members or {}) do
    local mark, name = member:match "([.:])([%w_]+)$"
    all[#all + 1] = page.name .. mark .. name
    if mark == ":" then
      methods[page.name] = methods[page.name] or {}
      table.insert(methods[page.name], name)
    end
  end
end
table.sort(all) -- so that a seed means the same in each run

--- The exclusion that a function is under.
local function exclusion(full)
  local module = full:match "^(.*)[.:]"
  return manual.excluded[full] and full or manual.excluded[module] and module
end

--- The functions of modules, by their full names.
---@param libevent table
---@return table[] functions Each with `name` and `fn`.
function manual.functions(libevent)
  local list = {}
  for _, full in ipairs(all) do
    local module, name = full:match "^libevent%.?([%w_]*)%.([%w_]+)$"
    if module and not exclusion(full) then
      local from = module == "" and libevent or libevent[module]
      list[#list + 1] = { name = full, fn = assert(from[name], full) }
    end
  end
  return list
end

--- The public methods of a class in Lua; nil if there is none of that name.
---@param name string Such as `"libevent.queue"`.
---@return string[]? names
function manual.methods(name)
  return methods[name]
end

--- The names of types and classes that have methods, without "libevent.".
---@return string[] kinds
function manual.kinds()
  local list = {}
  for name in pairs(methods) do
    local kind = name:match "^libevent%.(.*)"
    list[#list + 1] = kind ~= "object" and kind or nil
  end
  table.sort(list)
  return list
end

local function count(map, name)
  map[name] = (map[name] or 0) + 1
end

local function note(name, ok, ...)
  if ok then
    count(returned, name)
  end
  return ok, ...
end

--- Calls a function, and notes that under its full name.
---@param name string
---@param fn function
---@return boolean ok As pcall does.
function manual.call(name, fn, ...)
  count(called, name)
  return note(name, pcall(fn, ...))
end

--- How often a function was called, of whatever type: those that all types have
-- are documented once.
local function sum(map, full)
  local name = full:match "^libevent%.object:(.*)"
  if not name then
    return map[full] or 0
  end
  local n = 0
  for each, times in pairs(map) do
    n = n + (each:match ":(.*)" == name and times or 0)
  end
  return n
end

--- What was never called, or has never returned, and what of the exclusions is
-- not there.
---@return string[] names
function manual.missed()
  local list, seen = {}, {}
  for _, name in ipairs(all) do
    local excluded = exclusion(name)
    if excluded then
      seen[excluded] = true
    elseif sum(returned, name) == 0 then
      list[#list + 1] = ("%s: %d calls, none returned"):format(name,
        sum(called, name))
    end
  end
  for name in pairs(manual.excluded) do
    list[#list + 1] = not seen[name] and name .. ": is not in the manual" or nil
  end
  return list
end

--- How often everything was called.
---@return string[] lines
function manual.counts()
  local list = {}
  for _, name in ipairs(all) do
    list[#list + 1] = ("%8d %8d  %s"):format(sum(called, name),
      sum(returned, name), name)
  end
  return list
end

return manual
