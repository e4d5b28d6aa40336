# Strings, formats, regular expressions. Groups: a program, its input, its results.

# Strings.

length,utf8bytelength
"héllo"
5
6

explode
"hé"
[104,233]

implode
[104,233,128512]
"hé😀"

split(",")
"a,b,,c"
["a","b","","c"]

split("")
"hé"
["h","é"]

split(", *";null)
"a, b,c"
["a","b","c"]

ltrimstr("a"),rtrimstr("c"),trimstr("a")
"abca"
"bca"
"abca"
"bc"

ltrimstr("x")
"abc"
"abc"

ltrimstr("x")
5
5

startswith("a"),endswith("c")
"abc"
true
true

trim,ltrim,rtrim
"  a b  "
"a b"
"a b  "
"  a b"

ascii_downcase
"ABC"
"abc"

.[1:]
"abc"
"bc"

. * 2
"ab"
"abab"

. + "x"
"ab"
"abx"

. / ","
"a,b"
["a","b"]

tojson
"a\"b\u0000é"
"\"a\\\"b\\u0000é\""

fromjson
"{\"a\":[1,2]}"
{"a":[1,2]}

contains("a\u0000b")
"xa\u0000by"
true

indices("é")
"éaé"
[0,2]

index("a")
"éa"
1

test("a.c")
"abc"
true

ascii_upcase
"straße"
"STRAßE"

reverse
"abc"
"cba"

[.[]|tostring]
["a",1.0]
["a","1.0"]

@text,@json
"a\"b"
"a\"b"
"\"a\\\"b\""

@csv
[1,"a\"b",null,true,1.5]
"1,\"a\"\"b\",,true,1.5"

@tsv
["a\tb",1,null,false,"c\\d"]
"a\\tb\t1\t\tfalse\tc\\\\d"

@html
"<a href=\"x\">&'</a>"
"&lt;a href=&quot;x&quot;&gt;&amp;&apos;&lt;/a&gt;"

@uri
"a b/é?&=-_.~"
"a%20b%2F%C3%A9%3F%26%3D-_.~"

@urid
"a%20b%2F%C3%A9"
"a b/é"

@sh
"it's"
"'it'\\''s'"

@sh
[1,"a b",null,true]
"1 'a b' null true"

@base64
"hello"
"aGVsbG8="

@base64
"a"
"YQ=="

@base64d
"aGVsbG8="
"hello"

@base64d
"aGVsbG8"
"hello"

@base32
"hello"
"NBSWY3DP"

@base32d
"NBSWY3DP"
"hello"

@base64 "x\(.)y"
"hi"
"xaGk=y"

@html "<b>\(.)</b>"
"<"
"<b>&lt;</b>"

@sh "echo \(.a) \(.b)"
{"a":"x y","b":1}
"echo 'x y' 1"

@uri "https://x/?q=\(.)"
"a&b"
"https://x/?q=a%26b"

@csv "\([.,1])"
"a"
"\"a\",1"

@json "v=\(.)"
[1,"a"]
"v=[1,\"a\"]"

format("csv")
[1,"a"]
"1,\"a\""

try format("nope") catch .
1
"nope is not a valid format"

[.[]|@base64|@base64d]
["","a","ab","abc","éé"]
["","a","ab","abc","éé"]

ascii
65
"A"

"\(.a) is \(.b|length)"
{"a":"x","b":[1,2]}
"x is 2"

join("-")
["a","b"]
"a-b"

[.[]|ltrimstr("v")|tonumber]
["v1","2"]
[1,2]

"abc"|.[1:2],.[-1:],.[:1]
null
"b"
"c"
"a"

[splits("a")]
"bab"
["b","b"]

# Regular expressions.

test("B";"i"),test(["b"]),test(["B","i"])
"abc"
true
true
true

[match("a";"g").offset]
"aba"
[0,2]

match("(?<x>b)(c)?")
"abd"
{"offset":1,"length":1,"string":"b","captures":[{"offset":1,"length":1,"string":"b","name":"x"},{"offset":-1,"length":0,"string":null,"name":null}]}

[match("b+";"g")|[.offset,.length,.string]]
"abbab"
[[1,2,"bb"],[4,1,"b"]]

capture("(?<y>\\d+)-(?<m>\\d+)")
"2024-05"
{"y":"2024","m":"05"}

[capture("(?<l>[a-z])";"g")]
"ab1c"
[{"l":"a"},{"l":"b"},{"l":"c"}]

[scan("\\d+")]
"a1b22"
["1","22"]

[scan("(\\w)(\\d)")]
"a1b2"
[["a","1"],["b","2"]]

[scan("A";"i")]
"aA"
["a","A"]

sub("a";"b")
"aaa"
"baa"

gsub("a";"b")
"aaa"
"bbb"

sub("(?<x>\\w+) (?<y>\\w+)";"\(.y) \(.x)")
"hello world"
"world hello"

gsub("(?<d>\\d)";"<\(.d)>")
"a1b2"
"a<1>b<2>"

gsub("\\s+";" ")
"a  b   c"
"a b c"

gsub("";"-")
"ab"
"-a-b-"

gsub("^";">")
"ab"
">ab"

gsub("$";"<")
"ab"
"ab<"

[sub("a";"x","y")]
"banana"
["bxnana","bynana"]

[gsub("a";"x","y")]
"banana"
["bxnxnx","bynyny"]

gsub("A";"x";"i")
"aAa"
"xxx"

sub("z";"x")
"abc"
"abc"

[splits(",\\s*")]
"a, b,c"
["a","b","c"]

[splits("B";"i")]
"abc"
["a","c"]

split("[,;]";"g")
"a,b;c"
["a","b","c"]

test("^b$")
"a\nb"
false

test("a.b"),test("a.b";"p")
"a\nb"
false
true

test("a b";"x")
"ab"
true

[match("";"g").offset]
"ab"
[0,1,2]

test("é")
"café"
true

[match("é";"g").offset]
"éaé"
[0,2]

test("\\p{Lu}")
"aB"
true

test("^\\w+$")
"café"
true

[match("a";"gn").string]
"aa"
["a","a"]

try test("[") catch "bad"
"a"
"bad"

try test("a";"q") catch .
"a"
"q is not a valid modifier string"

ascii_downcase|test("error|warn")
"An ERROR"
true

[match("(a)|(b)";"g").captures|map(.string)]
"ab"
[["a",null],[null,"b"]]

test("")
""
true

[match("(?<n>a)?b").captures[0].string]
"b"
[null]
