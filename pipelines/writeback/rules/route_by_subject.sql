-- Proposes for tickets without a category the one that a word of their subject stands for; of several words the first
-- in the list below counts. The reason names the word.
-- Run it: ticketing triage plan pipelines/writeback/rules/route_by_subject.sql
-- Put your own words into the list, small, each as a word begins (refund is found in refunds, too), and the categories
-- by their names in the helpdesk. A connection that has none of that name is left out of the plan, which says so.

with words (place, word, category) as (

    values
    (1, 'invoice', 'Billing'),
    (2, 'refund', 'Billing'),
    (3, 'payment', 'Billing'),
    (4, 'charged', 'Billing'),
    (5, 'delivery', 'Delivery'),
    (6, 'parcel', 'Delivery'),
    (7, 'password', 'Access'),
    (8, 'log in', 'Access'),
    (9, 'login', 'Access')

),

found as (

    select
        candidates.connection_id,
        candidates.ticket_id,
        candidates.place,
        words.word,
        words.category,
        row_number() over (
            partition by candidates.connection_id, candidates.ticket_id
            order by words.place
        ) as choice
    from marts.triage_candidates as candidates
    inner join words
        on ' ' || lower(candidates.subject) like '% ' || words.word || '%'
    where cast(candidates.reasons as text) like '%"no_category"%'

)

select
    connection_id,
    ticket_id,
    category,
    'The subject has the word ' || word as reason
from found
where choice = 1
order by place
