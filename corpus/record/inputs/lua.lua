-- What lua is recorded doing: a JSON reader and writer, binary trees, closures over queues, and text
-- built piece by piece, in turns, so that their blocks lie among one another.

local seed = 42
local function pick(count)
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed // 256 % count + 1
end

local function write(value)
    if type(value) == "string" then return string.format("%q", value) end
    if type(value) ~= "table" then return tostring(value) end
    local parts = {}
    if #value > 0 then
        for _, item in ipairs(value) do parts[#parts + 1] = write(item) end
        return "[" .. table.concat(parts, ",") .. "]"
    end
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys)
    for _, key in ipairs(keys) do parts[#parts + 1] = string.format("%q:", key) .. write(value[key]) end
    return "{" .. table.concat(parts, ",") .. "}"
end

local function read(text, at)
    local first = text:sub(at, at)
    if first == "[" or first == "{" then
        local made, key = {}, nil
        at = at + 1
        while not text:find("^[%]}]", at) do
            if first == "{" then
                key, at = read(text, at)
                at = at + 1 -- the colon
            end
            local value
            value, at = read(text, at)
            made[key or #made + 1] = value
            if text:sub(at, at) == "," then at = at + 1 end
        end
        return made, at + 1
    end
    local quoted, behind = text:match('^"([^"]*)"()', at)
    if quoted then return quoted, behind end
    local plain, after = text:match("^([%w.+-]+)()", at)
    return tonumber(plain) or plain == "true", after
end

local words = { "apple", "lamp", "kettle", "atlas", "violin", "spoon", "ladder", "stamp" }
local function order(id)
    local items = {}
    for i = 1, pick(6) do
        items[i] = { name = words[pick(#words)] .. pick(300), count = pick(9), price = pick(5000) / 4 }
    end
    return { id = id, paid = pick(2) == 1, items = items, note = words[pick(#words)]:rep(pick(5), " ") }
end

local function tree(depth)
    if depth == 0 then return {} end
    return { tree(depth - 1), tree(depth - 1) }
end
local function leaves(node)
    return node[1] and leaves(node[1]) + leaves(node[2]) or 1
end

local function queue()
    local first, last, items = 1, 0, {}
    return function(item) last = last + 1; items[last] = item end,
        function()
            local item = items[first]
            items[first] = nil
            first = first + 1
            return item
        end
end

local push, pull = queue()
local kept, index, total = {}, {}, 0
for round = 1, 700 do
    local text = write(order(round))
    local again = read(text, 1)
    assert(write(again) == text)
    kept[#kept + 1] = again
    push(function() return #text + round end)
    if round % 3 == 0 then total = total + pull()() end
    for word in text:gmatch("%a+%d*") do
        index[word] = (index[word] or "") .. round .. " "
    end
    if round % 20 == 0 then total = total + leaves(tree(pick(5) + 4)) end
    if round % 50 == 0 then
        table.sort(kept, function(a, b) return a.note .. a.id < b.note .. b.id end)
        for i = 1, #kept // 4 do kept[i] = kept[#kept]; kept[#kept] = nil end
    end
end
print(total, #kept, #write(index))
