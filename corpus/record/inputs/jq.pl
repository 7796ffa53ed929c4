# Writes the JSON that jq is recorded with: a log of deliveries, about 2 MB. Its own random numbers,
# so that they are the same everywhere.
use strict;
use warnings;

my $seed = 42;
sub pick {
    my ($count) = @_;
    $seed = ($seed * 1103515245 + 12345) & 0x7fffffff;
    return ($seed >> 8) % $count;
}
my @towns = qw(Delft Genoa Lviv Porto Turku Łódź København);
my @things = qw(apple lamp kettle atlas violin spoon ladder stamp clock rope);
my @rows;
for my $id (1 .. 6900) {
    my @items = map {
        sprintf '{"name":"%s","count":%d,"price":%d.%02d}', $things[pick(scalar @things)], 1 + pick(9),
            pick(500), pick(100)
    } 1 .. 1 + pick(6);
    my $note = join ' ', map { $things[pick(scalar @things)] } 1 .. pick(14);
    push @rows, sprintf '{"id":%d,"town":"%s","paid":%s,"at":{"lat":%d.%04d,"lon":%d.%04d},'
        . '"tags":[%s],"items":[%s],"note":%s}',
        $id, $towns[pick(scalar @towns)], (qw(true false null))[pick(3)], 40 + pick(20), pick(10000),
        pick(30), pick(10000), join(',', map { '"t' . pick(40) . '"' } 1 .. pick(5)),
        join(',', @items), $note eq '' ? 'null' : "\"$note \\u00e9\\n\"";
}
print "[\n", join(",\n", @rows), "\n]\n";
