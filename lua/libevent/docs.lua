--- Searches the manual, of which a build leaves an index.

local docs = {}

local width = 79

--- What is longer has no names near it.
local longest = 60

--- The entries of the index. That of a source tree stands beside the C module,
-- an installed one among the modules in Lua.
local function load_index()
  local name = "libevent.docs.index"
  local path = package.searchpath(name,
    (package.cpath:gsub("%.so%f[;\0]", ".lua")))
    or package.searchpath(name, package.path)
  return path and dofile(path)
end

local index

--- Lists of entries by their name, and by its last part or the function of
-- libevent that they wrap.
local by_name, by_key = {}, {}

local function add(map, key, entry)
  map[key] = map[key] or {}
  table.insert(map[key], entry)
end

--- What a name is compared by: however it is called, and whatever follows it.
-- This and `last` look at a long one a few times only.
local function normal(name)
  name = name:match "^%s*([^(]*)"
  return (name:match "^.*%S" or ""):gsub(":", "."):gsub("^libevent%.", "")
    :lower()
end

--- The last part of a name.
local function last(name)
  return name:match "^.*%.(.*)$" or name
end

local function prepare()
  index = load_index()
  for _, entry in ipairs(index or {}) do
    local key = normal(entry.name)
    add(by_name, key, entry)
    add(by_key, last(key), entry)
    for _, name in ipairs(entry.wraps or {}) do
      add(by_key, name:lower(), entry)
    end
  end
end

--- Names with their first sentences, side by side.
local function list(entries)
  local widest, lines = 0, {}
  for _, entry in ipairs(entries) do
    widest = math.max(widest, #entry.name)
  end
  for _, entry in ipairs(entries) do
    local line = entry.name .. (" "):rep(widest - #entry.name) .. " "
    for word in entry.summary:gmatch "%S+" do
      if utf8.len(line) + 1 + utf8.len(word) > width then
        lines[#lines + 1] = line
        line = (" "):rep(widest + 1)
      end
      line = line .. " " .. word
    end
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n") .. "\n"
end

local function members_of(page)
  local members = {}
  for i, name in ipairs(page.members) do
    for _, entry in ipairs(by_name[normal(name)]) do
      if not entry.members then
        members[i] = entry
      end
    end
  end
  return members
end

--- The text of an entry, and for a page what stands on it.
local function show(entry)
  local text = entry.text
  if entry.members and #entry.members > 0 then
    text = text .. "\n" .. list(members_of(entry))
  end
  if entry.parent then
    local parent = by_name[normal(entry.parent)][1]
    text = text .. ("\nAnd the methods of %s:\n\n%s"):format(parent.name,
      list(members_of(parent)))
  end
  return text
end

--- How many letters have to be changed, left out or added to make one word of
-- another.
local function distance(one, other)
  local row = {}
  for j = 0, #other do
    row[j] = j
  end
  for i = 1, #one do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #other do
      local cost = one:byte(i) == other:byte(j) and 0 or 1
      diagonal, row[j] = row[j],
        math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
    end
  end
  return row[#other]
end

--- Names that may have been meant, the nearest first: by what is wrong with the
-- last part, which many have, and then by all.
local function near(name)
  local found, tail = {}, last(name)
  for _, entry in ipairs(index) do
    local key = normal(entry.name)
    local whole = distance(name, key)
    local off = math.min(whole, distance(tail, last(key)))
    if #tail >= 3 and key:find(tail, 1, true) then
      off = math.min(off, 1)
    end
    if off <= math.max(1, #tail // 3) then
      found[#found + 1] = { name = entry.name, off = off, whole = whole }
    end
  end
  table.sort(found, function(a, b)
    if a.off ~= b.off then
      return a.off < b.off
    elseif a.whole ~= b.whole then
      return a.whole < b.whole
    end
    return a.name < b.name
  end)
  local names = {}
  for i = 1, math.min(#found, 8) do
    if found[i].name ~= names[#names] then
      names[#names + 1] = found[i].name
    end
  end
  return names
end

--- What a method of a class's parent is found by.
local function inherited(name)
  local class, method = name:match "^(.*)%.([^.]*)$"
  for _, page in ipairs(by_name[class] or {}) do
    if page.parent then
      return by_name[normal(page.parent) .. "." .. method]
    end
  end
end

--- What there is to read about: modules and classes.
local function contents()
  local pages = {}
  for _, entry in ipairs(index) do
    if entry.members then
      pages[#pages + 1] = entry
    end
  end
  return list(pages)
end

--- The texts of entries, and the names of others that are called so, too.
local function show_all(entries, others)
  local texts, shown, left = {}, {}, {}
  for i, entry in ipairs(entries) do
    texts[i], shown[entry] = show(entry), true
  end
  for _, entry in ipairs(others or {}) do
    if not shown[entry] then
      left[#left + 1] = entry
    end
  end
  if #left > 0 then
    texts[#texts + 1] = "See also:\n\n" .. list(left)
  end
  return table.concat(texts, "\n")
end

local function unknown(given, name)
  local text = ("the manual knows no '%s'"):format(given)
  local names = #name < longest and near(name) or {}
  if #names == 0 then
    return text .. "\n"
  end
  return ("%s; near are:\n  %s\n"):format(text, table.concat(names, "\n  "))
end

--- Returns what the manual says of a function, method, module or class. A last
-- part is enough of a name: if several have it, they are listed. A function of
-- libevent is found by its name in C.
---@param given string Without one, all modules and classes are listed.
---@return string text
function docs.find(given)
  if not index then
    prepare()
  end
  local name = normal(given)
  if not index then
    return "the index of the manual was not built (make)\n"
  elseif name == "" then
    return contents()
  end
  local entries = by_name[name] or inherited(name)
  local alike = by_key[name] or by_key[last(name)]
  if entries then
    return show_all(entries, by_key[name])
  elseif not alike then
    return unknown(given, name)
  elseif #alike == 1 then
    return show(alike[1])
  end
  return list(alike)
end

return docs
