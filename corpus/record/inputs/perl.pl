# What perl is recorded doing: reading licences, as texts go that every Debian has. Words, pairs of
# words and lines are counted and looked up; paragraphs are wrapped anew; a concordance is printed.
use strict;
use warnings;

my (%count, %after, %places, @paragraphs);
for my $file (@ARGV) {
    open my $in, '<', $file or die "$file: $!";
    local $/ = '';
    my $number = 0;
    while (my $paragraph = <$in>) {
        $number++;
        $paragraph =~ s/\s+/ /g;
        my @words = map { lc } $paragraph =~ /[A-Za-z][A-Za-z'-]*/g;
        $count{$_}++ for @words;
        push @{ $after{ $words[ $_ - 1 ] } }, $words[$_] for 1 .. $#words;
        my ($name) = $file =~ m{([^/]+)$};
        push @{ $places{$_} }, "$name:$number" for grep { length > 7 } @words;
        push @paragraphs, { text => $paragraph, words => \@words, name => $name };
    }
}

my @lines;
for my $paragraph (@paragraphs) {
    my $line = '';
    for my $word (split / /, $paragraph->{text}) {
        if (length($line) + length($word) > 60) {
            push @lines, $line;
            $line = '';
        }
        $line .= ($line eq '' ? '' : ' ') . $word;
    }
    push @lines, $line;
    (my $plain = $paragraph->{text}) =~ s/\b(you|your|licensee)\b/<$1>/gi;
    $paragraph->{plain} = $plain;
}

my @common = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[ 0 .. 99 ];
for my $word (@common) {
    my %next;
    $next{$_}++ for @{ $after{$word} };
    my @best = sort { $next{$b} <=> $next{$a} || $a cmp $b } keys %next;
    printf "%-14s %5d  %s\n", $word, $count{$word}, join ' ', map { "$_($next{$_})" } grep { defined } @best[ 0 .. 4 ];
}
for my $word (sort keys %places) {
    my %seen;
    my @where = grep { !$seen{$_}++ } @{ $places{$word} };
    printf "%s: %s\n", $word, join ', ', @where;
}
printf "%d lines, the longest %d\n", scalar @lines, (sort { $b <=> $a } map { length } @lines)[0];
