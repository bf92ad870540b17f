-- Every ticket of a category has that category's name; where the category is not there, the ticket's own text may vary.
select
    tickets.connection_id,
    tickets.category_id,
    count(distinct tickets.category_name) as name_count
from {{ ref('tickets') }} as tickets
inner join {{ ref('stg_unified__categories') }} as categories
    on
        tickets.connection_id = categories.connection_id
        and tickets.category_id = categories.category_id
where categories.category_name is not null
group by tickets.connection_id, tickets.category_id
having count(distinct tickets.category_name) > 1 or count(*) > count(tickets.category_name)
