# Dates. Groups: a program, its input, its results.

# Dates, UTC and the C locale.

now
null
1425599621.678

todate
0
"1970-01-01T00:00:00Z"

todate
1425599621
"2015-03-05T23:53:41Z"

todate
1425599621.678
"2015-03-05T23:53:41Z"

fromdate
"2015-03-05T23:53:41Z"
1425599621

fromdateiso8601,(fromdate|todateiso8601)
"2015-03-05T23:53:41Z"
1425599621
"2015-03-05T23:53:41Z"

gmtime
1425599621
[2015,2,5,23,53,41,4,63]

gmtime|mktime
1425599621
1425599621

mktime
[2015,2,5,23,51,47,4,63]
1425599507

mktime
[2024,1,30,0,0,0,0,0]
1709251200

mktime
[2024,14,1,25,61,61,0,0]
1740880921

localtime|mktime
86400
86400

strftime("%Y-%m-%dT%H:%M:%SZ")
1425599621
"2015-03-05T23:53:41Z"

strftime("%A, %B %d, %Y")
1435677542.822351
"Tuesday, June 30, 2015"

strftime("%a %b %e %j %U %W %V %G %u %w")
1425599621
"Thu Mar  5 064 09 09 10 2015 4 4"

strftime("%I:%M %p %y %C %D %F %T %R %h %k %l %s %Z %z %%")
1425599621
"11:53 PM 15 20 03/05/15 2015-03-05 23:53:41 23:53 Mar 23 11 1425599621 UTC +0000 %"

strftime("%c|%x|%X|%r|%n|%t")
1425599621
"Thu Mar  5 23:53:41 2015|03/05/15|23:53:41|11:53:41 PM|\n|\t"

strftime("%-d|%_d|%03d|%^a|%e")
1425599621
"5| 5|005|THU| 5"

strflocaltime("%H:%M %Z")
1425599621
"23:53 UTC"

strptime("%Y-%m-%dT%H:%M:%SZ")
"2015-03-05T23:51:47Z"
[2015,2,5,23,51,47,4,63]

strptime("%Y-%m-%dT%H:%M:%SZ")|mktime
"2015-03-05T23:51:47Z"
1425599507

strptime("%d %B %Y")
"10 March 2020"
[2020,2,10,0,0,0,2,69]

strptime("%a, %d %b %Y %H:%M:%S")|mktime
"Thu, 05 Mar 2015 23:51:47"
1425599507

strptime("%Y %j")
"2024 060"
[2024,1,29,0,0,0,4,59]

strptime("%m/%d/%y")
"03/05/15"
[2015,2,5,0,0,0,4,63]

strptime("%D %T")
"03/05/15 10:11:12"
[2015,2,5,10,11,12,4,63]

strptime("%I:%M %p")|.[3:5]
"11:30 PM"
[23,30]

strptime("%s")|mktime
"1425599621"
1425599621

strptime("%Y-%m-%d")
"2024-02-29 rest"
[2024,1,29,0,0,0,4,59," rest"]

strptime("%Y-%m-%dT%H:%M:%S%z")|mktime
"2015-03-05T23:51:47+0100"
1425599507

[.[]|todate]
[-1,951782400,4102444800]
["1969-12-31T23:59:59Z","2000-02-29T00:00:00Z","2100-01-01T00:00:00Z"]

[.[]|gmtime|.[6:]]
[0,1709164800,1735689600]
[[4,0],[4,59],[3,0]]

date
0
"1970-01-01T00:00:00Z"

dateadd("seconds";10)
5
15

datesub("seconds";10)
15
5

[range(0;10)*86400*100|strftime("%G-W%V-%u")]
null
["1970-W01-4","1970-W15-6","1970-W30-1","1970-W44-3","1971-W05-5","1971-W19-7","1971-W34-2","1971-W48-4","1972-W10-6","1972-W25-1"]

try ("x"|fromdate) catch .
null
"date \"x\" does not match format \"%Y-%m-%dT%H:%M:%SZ\""

try ("x"|todate) catch .
null
"strftime/1 requires parsed datetime inputs"

try ({}|mktime) catch .
null
"mktime requires array inputs"

try ([1]|mktime) catch .
null
"mktime requires parsed datetime inputs"

try ([1]|strftime(1)) catch .
null
"strftime/1 requires a string format"

try (1|strptime("%Y")) catch .
null
"strptime/1 requires string inputs and arguments"

try ("a"|gmtime) catch .
null
"gmtime() requires numeric inputs"

now|floor
null
1425599621
